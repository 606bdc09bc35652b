/** Records that straddle segments share a bounded number of buffers. */
import { expect, it } from 'vitest'
import { LIMITS } from '../../src/core/limits.ts'
import { MAX_RECORD_BYTES } from '../../src/tls/recognise.ts'
import { RecordBuffers } from '../../src/tls/record-buffers.ts'
import { SealedRecord } from '../../src/tls/sealed-record.ts'

it('lends no more than the limit, and lends again what came back', () => {
  const buffers = new RecordBuffers()
  const most = Math.floor(LIMITS.tlsRecordBytesTotal / MAX_RECORD_BYTES)
  const open = Array.from({ length: most + 1 }, () => {
    const record = new SealedRecord(buffers)
    record.begin(23, 0x0303, 100, 0, 1)
    record.add(new Uint8Array(60), 0, 60)
    return record
  })
  expect(buffers.refused).toBe(1)
  for (const record of open) record.add(new Uint8Array(40), 0, 40)
  expect(open.map((r) => r.whole)).toEqual([...Array.from({ length: most }, () => true), false])
  open[0]!.end()
  const next = new SealedRecord(buffers)
  next.begin(23, 0x0303, 100, 0, 1)
  next.add(new Uint8Array(60), 0, 60)
  next.add(new Uint8Array(40), 0, 40)
  expect(next.whole).toBe(true)
  expect(buffers.refused).toBe(1)
})
