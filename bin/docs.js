#!/usr/bin/env node
/**
 * Writes docs/cli.md and docs/rules.md from the commands and the rules of the build in dist/ (npm run docs). With --check it
 * writes nothing and exits with 1 when a file is not what it would write.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Config } from '@oclif/core'

const root = process.env.MYSQLCONN_ROOT ?? join(dirname(fileURLToPath(import.meta.url)), '..')
const dist = process.env.MYSQLCONN_DIST ?? join(root, 'dist')
const load = (path) => import(join(dist, path))

const { default: Help } = await load('src/cli/help.js')
const { FILTER_FIELDS } = await load('src/report/filter-fields.js')
const { RULES } = await load('src/index.js')

const GENERATED = '<!-- Written by npm run docs. Change the code, not this file. -->\n'

async function cliPage() {
  const config = await Config.load({ root })
  const help = new Help(config, { maxWidth: 100, stripAnsi: true })
  const pages = []
  for (const command of [...config.commands].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    if (command.hidden || (command.aliases ?? []).includes(command.id)) continue
    const name = `mysqlconn ${command.id.replaceAll(':', ' ')}`
    const text = help
      .formatCommand(command)
      .split('\n')
      .map((line) => line.trimEnd())
      .join('\n')
      .trim()
    pages.push(`## ${name}\n\n${command.summary ?? ''}\n\n\`\`\`text\n${text}\n\`\`\`\n`)
  }
  const fields = Object.entries(FILTER_FIELDS).map(
    ([name, f]) => `| \`${name}\` | ${f.type} | ${f.says.replaceAll('|', '\\|')} |`,
  )
  return `${GENERATED}
# Command line

${pages.join('\n')}
## The --filter language

\`FIELD OP VALUE\`, joined by \`and\`, \`or\`, \`not\` and parentheses: \`user == app and (silence > 5m or errors > 0)\`.
Operators are \`==\` \`!=\` \`<\` \`<=\` \`>\` \`>=\` and \`~\`, a regular expression. Text is compared without regard to case. Durations are
written \`250ms\`, \`300s\`, \`5m\`, \`8h\`. Values with spaces or signs stand in quotes. An error points at its column.

| field | type | is |
|---|---|---|
${fields.join('\n')}

## Exit codes

| code | means |
|---|---|
| 0 | it ran; findings are the normal result |
| 1 | there are findings at or above \`--fail-on\` |
| 2 | wrong usage |
| 3 | an input cannot be read or recognised, an output cannot be written, or with \`--strict\` the evidence is incomplete |
| 70 | a bug of ours: please report it |
| 130 | interrupted, after printing what is known |

The format never changes the code.
`
}

function rulesPage() {
  const list = (items) => items.map((i) => `- ${i}`).join('\n')
  const detail = (r) => {
    const keys = Object.entries(r.detail)
    if (keys.length === 0) return ''
    return `**\`detail\` holds**\n\n${list(keys.map(([key, says]) => `\`${key}\`: ${says}`))}\n\n`
  }
  const sections = RULES.map((r) => {
    return `## ${r.id}

${r.title}. Family ${r.family}, ${r.severity}.

**Sees.** ${r.what}

**Why it matters.** ${r.why}

**Fix**

${list(r.fix.map((f) => (f.config === '' ? f.text : `${f.text}: \`${f.config}\``)))}

**Cannot tell.** ${r.cannotTell}

**Stays quiet on**

${list(r.quiet)}

**Needs** ${r.needs.join(', ')} visible in the capture.

${detail(r)}**Read**

${list(r.references.map((ref) => `[${ref.title}](${ref.url})`))}
`
  })
  return `${GENERATED}\n# Rules\n\nThe same text as \`mysqlconn rules show ID\`.\n\n${sections.join('\n')}`
}

const check = process.argv.includes('--check')
const stale = []
for (const [name, text] of [
  ['cli.md', await cliPage()],
  ['rules.md', rulesPage()],
]) {
  const path = join(process.env.MYSQLCONN_DOCS ?? join(root, 'docs'), name)
  let old = ''
  try {
    old = readFileSync(path, 'utf8')
  } catch {}
  if (old === text) continue
  stale.push(name)
  if (!check) writeFileSync(path, text)
}
if (stale.length > 0) console.error(`${check ? 'stale, run npm run docs' : 'written'}: ${stale.join(', ')}`)
process.exitCode = check && stale.length > 0 ? 1 : 0
