#!/usr/bin/env node
// Writes oclif.manifest.json, the list of commands and flags, after a build: with it a start imports the one command that was asked
// for instead of all of them. Run by `npm run build`; not published itself.
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Plugin } from '@oclif/core'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const plugin = new Plugin({ root, type: 'core', ignoreManifest: true, errorOnManifestCreate: true })
await plugin.load()
writeFileSync(join(root, 'oclif.manifest.json'), `${JSON.stringify(plugin.manifest, null, 2)}\n`)
