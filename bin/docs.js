#!/usr/bin/env node
/**
 * Writes docs/cli.md, docs/rules.md, docs/formats.md, docs/questions.md, docs/policy.schema.json and the manual page docs/mysqlconn.1 from the commands, the rules, the samples and the tables of the build
 * in dist/ (npm run docs). With --check it writes nothing and exits with 1 when a file is not what it would write.
 */
import { spawnSync } from 'node:child_process'
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
const { ANOMALY_KINDS } = await load('src/core/anomaly.js')
const { QUESTIONS } = await load('src/report/questions.js')
const { policySchema } = await load('src/policy/policy.js')
const { LINK_TYPES } = await load('src/packet/link.js')
const { linkTypeName } = await load('src/capture/link-types.js')
const { MAGICS } = await load('src/capture/sniff.js')
const { LOG_FORMATS } = await load('src/logs/index.js')
const { CONFIG_FORMATS } = await load('src/config/index.js')

const GENERATED = '<!-- Written by npm run docs. Change the code, not this file. -->\n'

const EXIT_CODES = [
  [0, 'it ran; findings are the normal result. For `check`: the policy holds'],
  [1, 'there are findings at or above `--fail-on`. For `check`: the policy is broken'],
  [2, 'wrong usage, or a policy that cannot be read'],
  [
    3,
    'an input cannot be read or recognised, an output cannot be written, or with `--strict` the evidence is incomplete',
  ],
  [70, 'a bug of ours: please report it'],
  [130, 'interrupted, after printing what is known'],
]

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
${EXIT_CODES.map(([code, says]) => `| ${code} | ${says} |`).join('\n')}

The format never changes the code.
`
}

/** roff(7) of man(7): a manual page of all commands. */
async function manPage() {
  const config = await Config.load({ root })
  const help = new Help(config, { maxWidth: 76, stripAnsi: true })
  const text = (s) =>
    s
      .replaceAll('\\', '\\e')
      .replaceAll('-', '\\-')
      .replace(/^([.'])/gm, '\\&$1')
  const commands = [...config.commands]
    .filter((c) => !c.hidden && !(c.aliases ?? []).includes(c.id))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map((c) => {
      const body = help
        .formatCommand(c)
        .split('\n')
        .map((line) => line.trimEnd())
        .join('\n')
        .trim()
      const name = `mysqlconn ${c.id.replaceAll(':', ' ')}`
      return `.SS ${text(name)}\n${text(c.summary ?? '')}\n.PP\n.nf\n${text(body)}\n.fi`
    })
  const codes = EXIT_CODES.map(([code, says]) => `.TP\n.B ${code}\n${text(says.replaceAll('`', ''))}`)
  return `.\\" Written by npm run docs. Change the code, not this file.
.TH MYSQLCONN 1 "" "mysqlconn ${config.version}" "User Commands"
.SH NAME
mysqlconn \\- say why MySQL connections break
.SH SYNOPSIS
.B mysqlconn
.I COMMAND
[\\fIOPTION\\fR]... \\fIINPUT\\fR...
.SH DESCRIPTION
${text(`Reads packet captures, rebuilds the MySQL sessions in them, and says which connections broke, who cut them, why, and whether the
lost query may have run. Results go to standard output, everything else to standard error. Nothing is sent over the network.`)}
.SH COMMANDS
${commands.join('\n')}
.SH EXIT STATUS
${codes.join('\n')}
.SH ENVIRONMENT
.TP
.B NO_COLOR, FORCE_COLOR
${text('No colour, or colour also where the output is no terminal.')}
.TP
.B MYSQLCONN_PAGER, PAGER
${text('Shows reports that are longer than the terminal; cat or an empty value turns it off.')}
.TP
.B LC_ALL, LC_CTYPE, LANG
${text('Whether the terminal shows UTF-8. Output does not depend on them otherwise.')}
.SH FILES
.TP
.B mysqlconn.yml
${text('The policy of mysqlconn check, found upward from the working directory.')}
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

${example(r)}`
  })
  return `${GENERATED}\n# Rules\n\nThe same text as \`mysqlconn rules show ID\`. Besides what is listed, \`detail\` of any finding may hold \`shared\`: what the
sessions that broke have in common and those that survived have not.\n\n${sections.join('\n')}`
}

/** What the rule's sample gives, as test/golden.test.ts holds it. */
function example(rule) {
  const folder = `samples/${rule.sample}`
  let text
  try {
    text = readFileSync(join(root, folder, 'expected.txt'), 'utf8')
  } catch {
    return ''
  }
  return `**Example**: [${folder}](../${folder}/README.md)\n\n\`\`\`text\n${text.trimEnd().replace(/^\n/, '')}\n\`\`\`\n`
}

/** What people ask, with a worked example each. */
function questionsPage() {
  const sections = QUESTIONS.map((q) => {
    const rules = q.rules.map((id) => RULES.find((r) => r.id === id)).filter((r) => r !== undefined)
    return `## ${q.id}

**${q.asks}**

Comes as: ${q.messages.map((m) => `\`${m}\``).join(', ')}

${q.answer.join('\n\n')}

${q.find.map((f) => `- ${f}`).join('\n')}

Rules: ${rules.map((r) => `[${r.id}](rules.md#${r.id})`).join(', ')}

${rules[0] === undefined ? '' : example(rules[0])}`
  })
  const list = QUESTIONS.map((q) => `- [${q.asks}](#${q.id})`).join('\n')
  return `${GENERATED}\n# What people ask\n\nThe same text as \`mysqlconn explain\` with the message that you see:\n\`mysqlconn explain "TLS/SSL error: Success (0)"\`, \`mysqlconn explain 2013\`.\n\n${list}\n\n${sections.join('\n')}`
}

function formatsPage() {
  const anomalies = Object.entries(ANOMALY_KINDS).map(
    ([kind, row]) => `| \`${kind}\` | ${row.accuses} | ${row.means} |`,
  )
  // The registry has no name for some numbers that old systems wrote.
  const name = (n) => (linkTypeName(n).startsWith('LINKTYPE_') ? LINK_TYPES[n].name : linkTypeName(n))
  const links = Object.keys(LINK_TYPES).map((n) => `| ${n} | ${name(Number(n))} |`)
  const code = (text) => `\`${text.split('\n', 1)[0].replaceAll('|', '\\|').replaceAll('\t', ' ').slice(0, 120)}\``
  const logs = LOG_FORMATS.map((f) => `| \`${f.id}\` | ${f.title} | ${f.role} | ${code(f.examples[0])} |`)
  const configs = CONFIG_FORMATS.map((f) => `| \`${f.id}\` | ${f.title} |`)
  const named = MAGICS.filter((m) => m.hint).map((m) => m.hint)
  return `${GENERATED}
# What is read

Files are recognised by their first bytes, never by their name.

## Captures

| format | read |
|---|---|
| pcap | both byte orders, microseconds and nanoseconds (magic a1b2c3d4, a1b23c4d), Kuznetzov's modified format (a1b2cd34) |
| pcapng | sections in both byte orders, any time resolution, several interfaces with a link type each, comments |
| gzip, zstd | around either of them, also from standard input; several members or frames in a row |

A series of files from one capture (tcpdump -C, dumpcap -b) is read as one when its files are given together: connections go on
from file to file. Standard input is \`-\`.

Recognised, named, and not read:

${[...new Set(named)].map((h) => `- ${h}`).join('\n')}

## Logs

Recognised by their lines, also as .gz and .zst and from standard input; a log that holds several formats is read line by line by
whichever knows the line. In front of each line may stand a syslog header (RFC 3164, RFC 5424, ISO times, short, timed, raw), the
prefix of docker compose, the Kubernetes runtime or Docker's json-file. The lines of an exception stay together.

| format | is | written by | an entry begins like |
|---|---|---|---|
${logs.join('\n')}

In an application's log, in any layout of its logger, the texts of drivers are known: Connector/J, MariaDB Connector/J, mysqlclient,
PyMySQL, mysql-connector-python, mysql2, mariadb and mysql for Node.js, go-sql-driver, PHP's PDO, mysqli and mysqlnd, MySqlConnector,
Ruby's mysql2, sqlx, and those of the C libraries; besides, keys by their usual names (\`conn_id=\`, \`thread_id=\`, \`local=\`,
\`"event":"checkout"\`).

Times that bear no zone are UTC, unless a syslog header before the line shows the zone, or \`--tz\` says otherwise; a missing year or
date is the one nearest to the captures. Passwords in lines and statements are masked before anything is kept. Lines that nobody knows are
counted as \`log.unreadable-line\`, with their first places.

## Configuration files

For \`--config\`, recognised by their content:

| format | is |
|---|---|
${configs.join('\n')}

## Link types

The numbers are those of [tcpdump.org](https://www.tcpdump.org/linktypes.html). Frames of other link types are counted and
named as \`capture.unknown-link-type\`.

| number | name |
|---|---|
${links.join('\n')}

## Tags, tunnels and fragments

Between the link header and TCP these are passed through, nested up to a bound: VLAN tags (802.1Q, 802.1ad, QinQ), Cisco VN-tag,
MPLS, PPPoE, LLC/SNAP; IP in IP and 6in4, GRE with Ethernet, ERSPAN or PPTP inside, VXLAN, GENEVE, MPLS over UDP. IPv4 and IPv6
fragments are put together. IPv6 extension headers are skipped.

## Anomalies

Something odd, damaged or cut in the input, or a limit of ours. Each is named in \`inputs[].anomalies\` with its count and its first
places. They say what limits the analysis; they accuse nobody of a broken connection.

| kind | of | costs the analysis |
|---|---|---|
${anomalies.join('\n')}
`
}

/** The README, with what its commands print between the output marks: run as shown, by the build in dist/. */
function readmePage() {
  const text = readFileSync(join(root, 'README.md'), 'utf8')
  return text.replace(
    /(<!-- output: mysqlconn (.*?) -->\n```text\n)[\s\S]*?(```\n<!-- \/output -->)/g,
    (_, head, line, tail) => {
      const args = line.split(' ').filter((a) => a !== '')
      const env = { PATH: process.env.PATH, LANG: 'C.UTF-8', NO_COLOR: '1' }
      const run = spawnSync(process.execPath, ['bin/run.js', ...args], { cwd: root, encoding: 'utf8', env })
      return `${head}${run.stdout.replace(/^\n/, '').trimEnd()}\n${tail}`
    },
  )
}

const check = process.argv.includes('--check')
const stale = []
for (const [name, text] of [
  ['cli.md', await cliPage()],
  ['rules.md', rulesPage()],
  ['formats.md', formatsPage()],
  ['questions.md', questionsPage()],
  ['policy.schema.json', `${JSON.stringify(policySchema(RULES.map((r) => r.id)), null, 2)}\n`],
  ['mysqlconn.1', await manPage()],
  ['../README.md', readmePage()],
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
