/**
 * A ZIP archive in memory (PKWARE APPNOTE 6.3): names in UTF-8, deflated where that saves, no times, so that the same files give
 * the same bytes. Up to 65,535 files of less than 4 GiB together: no ZIP64.
 */
import { crc32, deflateRawSync } from 'node:zlib'

export interface ZipEntry {
  name: string
  bytes: Uint8Array
}

const VERSION = 20
const UTF8 = 1 << 11
/** 1 January 1980, the first day that the format knows. */
const FIRST_DAY = (1 << 5) | 1
/** Regular file, mode 0600, as Unix writes it. */
const ATTRIBUTES = 0o100600 * 0x10000

export function zip(entries: readonly ZipEntry[]): Uint8Array {
  const parts: Uint8Array[] = []
  const directory: Uint8Array[] = []
  let offset = 0
  for (const { name, bytes } of entries) {
    const path = Buffer.from(name)
    const deflated = deflateRawSync(bytes, { level: 9 })
    const smaller = deflated.length < bytes.length
    const data = smaller ? deflated : bytes
    const fields = Buffer.alloc(26)
    fields.writeUInt16LE(VERSION, 0)
    fields.writeUInt16LE(UTF8, 2)
    fields.writeUInt16LE(smaller ? 8 : 0, 4)
    fields.writeUInt16LE(0, 6)
    fields.writeUInt16LE(FIRST_DAY, 8)
    fields.writeUInt32LE(crc32(bytes), 10)
    fields.writeUInt32LE(data.length, 14)
    fields.writeUInt32LE(bytes.length, 18)
    fields.writeUInt16LE(path.length, 22)
    const tail = Buffer.alloc(14)
    tail.writeUInt32LE(ATTRIBUTES, 6)
    tail.writeUInt32LE(offset, 10)
    directory.push(signature(0x02014b50), Buffer.from([VERSION, 3]), fields, tail, path)
    const local = [signature(0x04034b50), fields, path, data]
    parts.push(...local)
    offset += local.reduce((n, p) => n + p.length, 0)
  }
  const size = directory.reduce((n, p) => n + p.length, 0)
  const end = Buffer.alloc(18)
  end.writeUInt16LE(entries.length, 4)
  end.writeUInt16LE(entries.length, 6)
  end.writeUInt32LE(size, 8)
  end.writeUInt32LE(offset, 12)
  return Buffer.concat([...parts, ...directory, signature(0x06054b50), end])
}

function signature(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
