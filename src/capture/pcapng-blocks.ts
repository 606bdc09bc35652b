/** Block types of pcapng (draft-ietf-opsawg-pcapng 11.1) and how Wireshark numbers them. */

/** Block type codes. */
export const BLOCK = {
  sectionHeader: 0x0a0d0d0a,
  interfaceDescription: 1,
  packet: 2,
  simplePacket: 3,
  nameResolution: 4,
  interfaceStatistics: 5,
  enhancedPacket: 6,
  systemdJournal: 9,
  decryptionSecrets: 10,
  custom: 0x0bad,
  customNotCopied: 0x40000bad,
} as const

export const BYTE_ORDER_MAGIC = 0x1a2b3c4d
/** Secrets type of an NSS key log in a DSB: "TLSK". */
export const SECRETS_TLS_KEY_LOG = 0x544c534b

/** Wireshark numbers sysdig's event blocks as frames: https://github.com/draios/sysdig, scap_savefile. */
const SYSDIG_EVENTS: readonly number[] = [0x204, 0x208, 0x216, 0x217, 0x221, 0x222]

/** Blocks that carry no packet but that Wireshark numbers as frames. */
export function isNumbered(type: number): boolean {
  if (type === BLOCK.custom || type === BLOCK.customNotCopied || type === BLOCK.systemdJournal) return true
  return SYSDIG_EVENTS.includes(type)
}

/** Block types by which a block is recognised after damage. */
export function isKnown(type: number): boolean {
  return (type >= 1 && type <= 10) || type === BLOCK.sectionHeader || isNumbered(type)
}
