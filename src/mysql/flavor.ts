/** Which product a server version string belongs to: fingerprints, ordered from the surest. */
import type { Flavor } from './listener.ts'

const FINGERPRINTS: readonly (readonly [RegExp, Flavor])[] = [
  [/proxysql/i, 'proxysql'],
  [/maxscale/i, 'maxscale'],
  [/-router\b/i, 'router'],
  [/tidb/i, 'tidb'],
  [/vitess/i, 'vitess'],
  [/mariadb/i, 'mariadb'],
  [/percona/i, 'percona'],
  // Percona appends its own release number (8.0.34-26), but so do Debian's packages of MySQL (9.7.4-2): that tells nothing.
]

/** ProxySQL's default mysql-server_version, which real servers of that version never send with this plugin. */
const PROXYSQL_DEFAULTS: readonly (readonly [string, string])[] = [
  ['5.5.30', 'mysql_native_password'],
  ['8.0.11', 'mysql_native_password'],
]

/** The last answer: one server greets many clients. */
const last: { version: string; plugin: string; flavor: Flavor } = { version: '', plugin: '', flavor: 'unknown' }

/** Product behind a greeting; 'mysql' where nothing says otherwise and the string looks like a version. */
export function flavorOf(serverVersion: string, authPlugin: string): Flavor {
  if (serverVersion !== last.version || authPlugin !== last.plugin) {
    last.flavor = fingerprint(serverVersion, authPlugin)
    last.version = serverVersion
    last.plugin = authPlugin
  }
  return last.flavor
}

function fingerprint(serverVersion: string, authPlugin: string): Flavor {
  for (const [pattern, flavor] of FINGERPRINTS) if (pattern.test(serverVersion)) return flavor
  for (const [version, plugin] of PROXYSQL_DEFAULTS) {
    if (serverVersion === version && authPlugin === plugin) return 'proxysql'
  }
  return /^\d+\.\d+/.test(serverVersion) ? 'mysql' : 'unknown'
}

/** MariaDB before 11 puts 5.5.5- ahead of its version, for old replicas: the rest is the version. */
export const plainVersion = (serverVersion: string): string =>
  !serverVersion.startsWith('5.5.5-')
    ? serverVersion
    : serverVersion.replace(/^5\.5\.5-(?=\d+\.\d+\.\d+-MariaDB|1\d\.)/, '')
