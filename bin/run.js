#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8'

// Hardly anything that is allocated lives long: a young generation that grows, and an old one that may double before it is
// collected, cost 50 MB on a large capture and save nothing.
setFlagsFromString('--semi-space-growth-factor=1')
setFlagsFromString('--heap-growing-percent=30')

const { execute } = await import('@oclif/core')
await execute({ dir: import.meta.url })
