/** go-sql-driver/mysql's own logger: `[mysql] 2020/06/01 18:13:51 packets.go:122: text`, without the colon from 1.9 on. Local time, 1 s. */
import { readAppLine } from '../app-line.ts'
import { driverError } from '../driver-texts.ts'
import { type Draft, type Entry, each, type LogFormat } from '../format.ts'

const START = /^\[mysql\] \d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d(?:\.\d+)? \w+\.go:\d+:? /

function read({ text, first }: Entry): Draft | null {
  const { stamp, rest } = readAppLine(first)
  const draft = driverError(text)
  return draft === null
    ? { what: 'other', stamp, level: 'error', reason: rest.slice(0, 200) }
    : { stamp, level: 'error', ...draft, product: 'go-sql-driver' }
}

export const goSqlDriver: LogFormat = {
  id: 'go-sql-driver',
  title: 'go-sql-driver/mysql',
  product: 'go-sql-driver',
  role: 'driver',
  examples: [
    '[mysql] 2020/06/01 18:13:51 packets.go:122: closing bad idle connection: EOF',
    '[mysql] 2020/06/01 18:13:51 connection.go:158: driver: bad connection',
    '[mysql] 2025/02/03 18:13:51 packets.go:58 unexpected EOF',
  ],
  starts: (line) => START.test(line),
  open: each(read),
}
