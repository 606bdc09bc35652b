/** Ctrl-C: the first one ends the reading and prints what is known, the second one quits at once (contract.md section 2). */
import { EXIT } from '../core/errors.ts'

export class Interrupt {
  aborted = false
  private readonly handler = (): void => {
    if (this.aborted) process.exit(EXIT.interrupted)
    this.aborted = true
    process.stderr.write('\nInterrupted: what is known so far follows. Ctrl-C again quits at once.\n')
  }

  constructor() {
    process.on('SIGINT', this.handler)
  }

  dispose(): void {
    process.off('SIGINT', this.handler)
  }
}
