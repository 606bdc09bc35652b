#!/usr/bin/env node
/**
 * A tarball that needs no Node on the machine: node bin/standalone.mjs [FOLDER]. It holds this Node's executable, the build in dist/, the
 * production packages of node_modules and what a package holds; `bin/mysqlconn` starts it. Of shared libraries it needs what Node itself
 * needs (glibc, libstdc++), and takes them along, with the loader, so that it runs in an empty root. Run npm run build first.
 */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const out = resolve(process.argv[2] ?? join(root, 'build'))
const own = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
if (!existsSync(join(root, 'dist/src/index.js'))) {
  console.error('no dist/: npm run build')
  process.exit(2)
}
const name = `mysqlconn-${own.version}-${process.platform}-${process.arch}`
const work = mkdtempSync(join(tmpdir(), 'mysqlconn-standalone-'))
const dir = join(work, name)

try {
  for (const folder of ['bin', 'lib', 'app']) mkdirSync(join(dir, folder), { recursive: true })
  const node = realpathSync(process.execPath)
  cpSync(node, join(dir, 'lib/node'))
  chmodSync(join(dir, 'lib/node'), 0o755)
  const loader = libraries(node, join(dir, 'lib'))
  for (const path of [
    'dist/src',
    'dist/commands',
    'bin/run.js',
    'docs',
    'samples',
    'README.md',
    'CHANGELOG.md',
    'LICENSE',
    'package.json',
  ])
    if (existsSync(join(root, path))) cpSync(join(root, path), join(dir, 'app', path), { recursive: true })
  for (const path of productionPackages())
    cpSync(path.from, join(dir, 'app', path.to), { recursive: true, dereference: true })
  const start = join(dir, 'bin/mysqlconn')
  writeFileSync(start, launcher(loader))
  chmodSync(start, 0o755)
  mkdirSync(out, { recursive: true })
  const tarball = join(out, `${name}.tar.gz`)
  // Sorted names, no owner, one time: the same tree gives the same archive.
  const stable = [
    '--sort=name',
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    '--mtime=@0',
    '--use-compress-program=gzip -n',
  ]
  execFileSync('tar', [...stable, '-cf', tarball, '-C', work, name])
  console.log(tarball)
} finally {
  rmSync(work, { recursive: true, force: true })
}

/** Copies the shared libraries that ldd names; the name of the loader, null where there is no ldd (Node is static, or another system). */
function libraries(node, to) {
  let text
  try {
    text = execFileSync('ldd', [node], { encoding: 'utf8' })
  } catch {
    return null
  }
  let loader = null
  for (const line of text.split('\n')) {
    const path = /(?:=>\s*)?(\/\S+)\s+\(0x/.exec(line)?.[1]
    if (path === undefined) continue
    cpSync(realpathSync(path), join(to, basename(path)))
    if (/\/ld-[^/]*$/.test(path)) loader = basename(path)
  }
  return loader
}

/**
 * POSIX shell where there is one. In an empty root there is none: then lib/LOADER --library-path lib lib/node app/bin/run.js does the
 * same, which is what the script runs.
 */
function launcher(loader) {
  const node =
    loader === null ? '"$here/lib/node"' : `"$here/lib/${loader}" --library-path "$here/lib" "$here/lib/node"`
  return `#!/bin/sh
# mysqlconn ${own.version} with Node ${process.version}
link=$0
while [ -h "$link" ]; do
  to=$(readlink "$link")
  case $to in /*) link=$to ;; *) link=$(dirname "$link")/$to ;; esac
done
here=$(cd "$(dirname "$link")/.." && pwd) || exit 70
exec ${node} "$here/app/bin/run.js" "$@"
`
}

/** Folders of the packages that are no development dependencies, by the lockfile. */
function productionPackages() {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  return Object.entries(lock.packages)
    .filter(([path, p]) => path.startsWith('node_modules/') && p.dev !== true && p.devOptional !== true)
    .filter(([path]) => existsSync(join(root, path)))
    .map(([path]) => ({ from: join(root, path), to: path }))
}
