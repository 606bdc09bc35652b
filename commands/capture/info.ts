/** What a capture holds and cannot show (contract.md section 1). */
import { Args, Flags } from '@oclif/core'
import { BaseCommand } from '../../src/cli/base-command.ts'
import { type CaptureInfoReport, captureInfo } from '../../src/index.ts'
import { renderCaptureInfo } from '../../src/report/capture-info-text.ts'

export default class CaptureInfo extends BaseCommand {
  static override summary = 'What is in a capture file and what it cannot show.'
  static override description =
    'Frames, times, interfaces, servers, and everything that limits an analysis, with the way to capture better. ' +
    '--cross-check reads the file a second time with the independent pcap-parser package and compares frame by frame.'
  static override examples = [
    '<%= config.bin %> capture info capture.pcap',
    '<%= config.bin %> capture info capture.pcap --cross-check',
  ]
  static override args = {
    file: Args.string({ description: 'capture files; - is stdin', required: true, multiple: true, ignoreStdin: true }),
  }
  static override flags = {
    'cross-check': Flags.boolean({ summary: 'Compare with what the pcap-parser package reads.' }),
    format: Flags.string({
      summary: 'What to print.',
      options: ['text', 'json'],
      default: 'text',
      helpValue: 'text|json',
    }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(CaptureInfo)
    const style = this.styleOf(flags.color)
    const captures: CaptureInfoReport[] = []
    for (const path of args.file) {
      const info = await captureInfo(path, { crossCheck: flags['cross-check'] })
      if (flags.format === 'json') captures.push(info)
      else await this.print(renderCaptureInfo(info, style))
    }
    if (flags.format === 'json') await this.print([JSON.stringify({ captures }, null, 2)])
  }
}
