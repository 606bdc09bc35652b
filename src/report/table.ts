/** Tables that fit the terminal: the only importer of cli-table3. Columns give way by importance, cells are never cut. */
import Table from 'cli-table3'
import type { Style } from './style.ts'
import { displayWidth, hang } from './wrap.ts'

export interface Column<Row> {
  head: string
  align?: 'left' | 'right'
  /** Columns with the highest number go first when the width is short; 0 stays always. */
  yields: number
  cell: (row: Row) => string
  paint?: (cell: string, row: Row) => string
}

const GAP = 2
const MARGIN = 2

/** Lines of the table; after it one line that names the columns that had no room. */
export function* renderTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  style: Style,
): Iterable<string> {
  const cells = new Map(columns.map((c) => [c, rows.map((r) => style.clean(c.cell(r)))]))
  const widthOf = (c: Column<Row>): number =>
    cells.get(c)!.reduce((w, t) => Math.max(w, displayWidth(t)), displayWidth(c.head))
  const shown = [...columns]
  const total = (): number => MARGIN + shown.reduce((w, c) => w + widthOf(c) + GAP, -GAP)
  const dropped: string[] = []
  while (total() > style.width) {
    const least = shown.reduce((a, b) => (b.yields >= a.yields ? b : a))
    if (least.yields === 0) break
    shown.splice(shown.indexOf(least), 1)
    dropped.push(least.head)
  }
  const table = new Table({
    head: shown.map((c) => style.dim(c.head)),
    colAligns: shown.map((c) => c.align ?? 'left'),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': GAP },
    chars: NO_BORDERS,
  })
  for (let i = 0; i < rows.length; i++) {
    table.push(shown.map((c) => (c.paint ?? plain)(cells.get(c)![i]!, rows[i]!)))
  }
  for (const line of table.toString().split('\n')) yield ' '.repeat(MARGIN) + line.trimEnd()
  if (dropped.length > 0)
    yield* hang('  ', `not shown for want of width: ${dropped.reverse().join(', ')}`, style.width, style.dim)
}

const plain = (cell: string): string => cell

const NO_BORDERS = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '',
}
