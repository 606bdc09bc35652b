/**
 * COM_STMT_PREPARE_OK (manual): 0x00 statement id[4] columns[2] parameters[2] filler[1] warnings[2] [metadata follows[1]].
 * Parameter definitions come before column definitions; each group ends with EOF unless CLIENT_DEPRECATE_EOF.
 */
import { ByteReader } from '../../core/bytes.ts'

/** Shortest packet: shorter ones that begin with 0x00 are OK packets. */
export const PREPARE_OK_LEAST = 12

/** Reused: valid until the next decode. */
export const prepareOk = { statementId: 0, columns: 0, parameters: 0, metadataFollows: true }
const r = new ByteReader(new Uint8Array(0))

/** Reads into `prepareOk`; false when the packet is too short. `optional`: CLIENT_OPTIONAL_RESULTSET_METADATA was agreed on. */
export function decodePrepareOk(buf: Uint8Array, start: number, end: number, optional: boolean): boolean {
  r.reset(buf, start + 1, end)
  prepareOk.statementId = r.u32()
  prepareOk.columns = r.u16()
  prepareOk.parameters = r.u16()
  prepareOk.metadataFollows = !(optional && end - start >= 13 && buf[start + 12] === 0)
  return r.ok
}
