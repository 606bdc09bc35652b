/** A small capture of what matters (contract.md section 1). */
import { readFileSync } from 'node:fs'
import { Flags } from '@oclif/core'
import { BaseCommand } from '../../src/cli/base-command.ts'
import { analyzeOptions, INPUTS, SELECT_FLAGS } from '../../src/cli/flags.ts'
import { writeBytesAtomically } from '../../src/cli/output.ts'
import { MysqlconnError, type SliceFile, slice } from '../../src/index.ts'
import { parseFilter } from '../../src/report/filter.ts'
import { count } from '../../src/report/words.ts'

export default class CaptureSlice extends BaseCommand {
  static override summary = 'Cut the frames of a finding, a session, a filter or a span of time into a small pcapng.'
  static override description =
    'Whole connections with their handshakes, on all legs and from all captures; TLS keys of a key log go with them; frames that the evidence names bear comments. ' +
    'The slice of a finding is analysed again: it takes along as much around it as the same verdict needs. With several captures each gets its own file. ' +
    '--anonymize replaces addresses (prefix-preserving), names, literals and credentials; lengths, times and verdicts stay. Comments, MAC addresses, tunnels and keys are left out.'
  static override examples = [
    '<%= config.bin %> capture slice capture.pcap --finding idle-timeout-proxy:8f8b7bed -o finding.pcapng',
    '<%= config.bin %> capture slice capture.pcap --session capture.pcap:12 -o session.pcapng',
    `<%= config.bin %> capture slice capture.pcap --filter 'user == app and errors > 0' -o app.pcapng`,
    '<%= config.bin %> capture slice capture.pcap --finding idle-timeout-proxy --anonymize -o for-the-ticket.pcapng',
  ]
  static override args = { input: INPUTS }
  static override flags = {
    finding: Flags.string({
      summary: 'Id of a finding, or its beginning (the rule) if only one fits.',
      helpValue: 'ID',
    }),
    session: Flags.string({ summary: 'Id of a session, as `sessions` prints it.', helpValue: 'ID' }),
    filter: SELECT_FLAGS.filter,
    since: SELECT_FLAGS.since,
    until: SELECT_FLAGS.until,
    port: SELECT_FLAGS.port,
    keylog: SELECT_FLAGS.keylog,
    role: SELECT_FLAGS.role,
    'clock-offset': SELECT_FLAGS['clock-offset'],
    anonymize: Flags.boolean({ summary: 'Replace addresses, names, literals and credentials.' }),
    'anonymize-key': Flags.string({
      summary:
        'File with a secret that the pseudonyms depend on, to have the same ones in several slices. Without it they depend on the frames.',
      helpValue: 'FILE',
      dependsOn: ['anonymize'],
    }),
    output: Flags.string({ char: 'o', summary: 'The file to write.', required: true, helpValue: 'FILE' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(CaptureSlice)
    const { finding, session, filter, since, until } = flags
    if ([finding, session, filter, since, until].every((f) => f === undefined)) {
      throw new MysqlconnError('E_USAGE', 'say what to cut', '--finding, --session, --filter, or --since and --until')
    }
    const made = await slice(args.input, {
      ...analyzeOptions({ ...flags, output: [flags.output] }),
      keylogs: flags.keylog ?? [],
      ...(finding === undefined ? {} : { finding }),
      ...(session === undefined ? {} : { session }),
      ...(filter === undefined ? {} : { filter: parseFilter(filter) }),
      anonymize: flags.anonymize,
      ...(flags['anonymize-key'] === undefined ? {} : { key: keyFile(flags['anonymize-key']) }),
    })
    for (const file of made.files) {
      const path = made.files.length === 1 ? flags.output : suffixed(flags.output, file)
      await writeBytesAtomically(path, file.bytes)
      await this.print([`${path}: ${count(file.frames, 'frame')} of ${count(made.sessions, 'session')}`])
    }
    if (made.reproduces === false)
      this.say(
        `the slice alone does not give ${made.finding!.id} again: what it rests on lies outside of these sessions`,
      )
    else if (made.finding !== null) await this.print([`analysed again it gives the same finding: ${made.finding.rule}`])
  }
}

/** `out.pcapng` for `db.pcap` becomes `out-db.pcapng`. */
function suffixed(path: string, file: SliceFile): string {
  const name = file.input.replace(/^.*[\\/]/, '').replace(/\.(?:pcap|pcapng|cap|gz|zst)(?=\.|$)/g, '')
  return path.replace(/(\.[^./]*)?$/, (ending) => `-${name}${ending}`)
}

function keyFile(path: string): Uint8Array {
  try {
    const key = readFileSync(path)
    if (key.length >= 16) return key
  } catch (e) {
    throw new MysqlconnError('E_USAGE', `--anonymize-key: cannot read ${path}: ${(e as Error).message}`, undefined, e)
  }
  throw new MysqlconnError(
    'E_USAGE',
    `--anonymize-key: ${path} has fewer than 16 bytes`,
    'head -c 32 /dev/urandom > key',
  )
}
