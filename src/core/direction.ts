/** Which side of a connection sent something. Also the index into every `[client, server]` pair. */
export type Direction = 0 | 1
/** Sent by the client (the side that opened this leg). */
export const CLIENT: Direction = 0
/** Sent by the server (the side that accepted this leg). */
export const SERVER: Direction = 1

export const otherSide = (d: Direction): Direction => (d === 0 ? 1 : 0)
export const sideName = (d: Direction): 'client' | 'server' => (d === 0 ? 'client' : 'server')
