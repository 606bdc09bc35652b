/** Stories of connections that died while idle, told by several rule tests. */
import { type Play, play, rows, type Span } from '../kit/play.ts'
import { legs, together } from './stories.ts'

export const MARIADB = '10.11.19-MariaDB'
export const MYSQL_56 = '5.6.24'

/** Logged in on a server of this version, one query answered: idle from here on. */
export function idleOn(serverVersion: string, o: Parameters<typeof play>[0] = {}): Play {
  return play(o).connect().login({ serverVersion }).query('SELECT 1 + 1', rows(1))
}

/** Used again after the close: the request meets a bare RST, as a kernel without that socket sends it. */
export function usedAgain(p: Play, after: Span, sql = 'SELECT name FROM user'): Play {
  p.mute('server').wait(after).as('lost').query(sql).as('refused').server.rst({ flags: 4 })
  return p
}

/** A session that lives on beside the others and says COM_QUIT at its end. */
export function bystander(p: Play, every: Span, times: number): Play {
  for (let i = 0; i < times; i++) p.wait(every).query('SELECT 2 + 2', rows(1))
  return p.quit()
}

/** Both legs through a proxy, both idle, closed by the proxy after `idle`: FIN to the client, FIN to the server. */
export function proxyCloses(idle: Span, o: Parameters<typeof legs>[0] = {}): { front: Play; back: Play } {
  const { front, back } = legs(o)
  front.query('SELECT 1 + 1')
  together(front, back)
  back.query('SELECT 1 + 1', rows(1))
  together(front, back)
  front.answer(rows(1))
  together(front, back)
  back.wait(idle).as('back fin').close('client')
  front.wait(idle).as('front fin').server.fin()
  return { front, back }
}
