/**
 * What every command shares: the style of its output, and how its errors end (contract.md section 2): an error of the user's
 * or the environment's as message and hint, anything else as a bug of ours with its stack and exit code 70.
 */
import { Command, Errors, Flags } from '@oclif/core'
import { EXIT, MysqlconnError } from '../core/errors.ts'
import { type ColorChoice, escapeControls, makeStyle, type Style } from '../report/style.ts'
import { printLines } from './output.ts'
import { printPaged } from './pager.ts'

export const COLOR_FLAG = {
  color: Flags.string({
    summary: 'Colour: auto asks the terminal, NO_COLOR and FORCE_COLOR.',
    options: ['auto', 'always', 'never'],
    default: 'auto',
    helpValue: 'auto|always|never',
  }),
}

export abstract class BaseCommand extends Command {
  static override baseFlags = COLOR_FLAG

  protected override async init(): Promise<void> {
    await super.init()
    // A reader of stderr that went away is no error either.
    process.stderr.on('error', (e: NodeJS.ErrnoException) => {
      if (e.code !== 'EPIPE') throw e
    })
  }

  /** The style of stdout. */
  protected styleOf(color: string | undefined): Style {
    const { isTTY, columns } = process.stdout
    return makeStyle({ color: (color ?? 'auto') as ColorChoice, isTTY: isTTY === true, columns, env: process.env })
  }

  protected print(lines: Iterable<string>): Promise<void> {
    return printLines(lines)
  }

  /** The same for text that a person reads: through a pager on a terminal. */
  protected printPaged(lines: Iterable<string>): Promise<void> {
    return printPaged(lines)
  }

  /** A line to the user that is not a result. */
  protected say(text: string): void {
    process.stderr.write(`mysqlconn: ${escapeLines(text)}\n`)
  }

  protected override async catch(error: Error & { code?: string }): Promise<unknown> {
    if (error instanceof MysqlconnError) {
      this.say(error.message)
      if (error.hint !== undefined) process.stderr.write(`  ${escapeLines(error.hint)}\n`)
      return this.exit(error.exitCode)
    }
    if (error.code === 'EPIPE') return undefined
    if (error instanceof Errors.ExitError) throw error
    if (error instanceof Errors.CLIError) {
      // Wrong usage, found by oclif. Its own way is to print the whole help below, where the message is lost.
      this.say(usageMessage(error))
      process.stderr.write(`  mysqlconn ${this.id?.replaceAll(':', ' ') ?? ''} --help\n`)
      return this.exit(EXIT.usage)
    }
    this.say(
      `this is a bug of ours, please report it with these lines (version ${this.config.version}, node ${process.version}):`,
    )
    process.stderr.write(`${escapeLines(error.stack ?? String(error))}\n`)
    return this.exit(EXIT.bug)
  }
}

/** oclif's message without its advice; for a missing argument its name is enough. */
function usageMessage(error: Error & { args?: { name: string }[] }): string {
  if (/^Missing \d+ required arg/.test(error.message) && error.args !== undefined) {
    return `${error.args.map((a) => a.name.toUpperCase()).join(' and ')} is missing`
  }
  return error.message.replace(/\n?See more help with --help\s*$/, '').trim()
}

/** Control characters made visible, line ends kept. */
const escapeLines = (text: string): string => text.split('\n').map(keepIndent).join('\n')

function keepIndent(line: string): string {
  const indent = /^ */.exec(line)![0]
  return indent + escapeControls(line.slice(indent.length))
}
