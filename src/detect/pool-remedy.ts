/** How to have a connection reset between borrowers, in the words of the driver or pool that is seen. */
import type { Session } from '../session/session.ts'
import type { Fleet } from './fleet.ts'
import type { Leak } from './leaks.ts'

export interface Remedy {
  text: string
  config: string
}

/** `_client_name` (or part of it) -> the setting that resets. Sources: the drivers' documentation. */
const BY_CLIENT: readonly (readonly [RegExp, string, Remedy])[] = [
  [
    /node-mysql-2|mysql2/i,
    'mysql2',
    { text: 'Let the mysql2 pool reset connections that come back', config: 'createPool({ resetOnRelease: true })' },
  ],
  [
    /mariadb connector\/?j|mariadb-java/i,
    'MariaDB Connector/J',
    {
      text: 'Let the driver reset connections that come back to its pool; with HikariCP change state through JDBC setters only',
      config: 'useResetConnection=true',
    },
  ],
  [
    /connector\/?node|mariadb.*node/i,
    'MariaDB Connector/Node.js',
    { text: 'Let the pool reset connections that come back', config: 'createPool({ resetAfterUse: true })' },
  ],
  [
    /connector\/?j/i,
    'Connector/J',
    {
      text: 'Change state through JDBC setters (setAutoCommit, setTransactionIsolation, setMaxRows), which pool and driver undo',
      config: '',
    },
  ],
  [
    /go-mysql/i,
    'go-sql-driver',
    {
      text: 'Take one connection with db.Conn and undo the change before Close: database/sql resets nothing',
      config: '',
    },
  ],
  [
    /mysql-connector-python/i,
    'mysql-connector-python',
    { text: 'Let the pool reset sessions', config: 'pool_reset_session=True' },
  ],
  [/mysqlconnector/i, 'MySqlConnector', { text: 'Let the pool reset connections', config: 'ConnectionReset=true' }],
  [
    /pymysql|mysqlclient|libmysql|libmariadb/i,
    '',
    { text: 'Have the pool reset at checkin (SQLAlchemy: a listener for the event "reset")', config: '' },
  ],
]

export function driverOf(s: Session): string | null {
  const name = s.mysql?.login?.attributes['_client_name'] ?? ''
  const row = BY_CLIENT.find(([pattern]) => pattern.test(name))
  return row === undefined ? name || null : row[1] || name
}

/** What would have undone it, by hand. */
function undo(leak: Leak): Remedy {
  switch (leak.state) {
    case 'user_variable':
      return {
        text: 'Do not read user variables that the same unit of work has not set',
        config: `SET ${leak.name} = NULL`,
      }
    case 'temp_table':
      return {
        text: 'Drop the table in the unit of work that made it',
        config: `DROP TEMPORARY ${leak.name.replace('TEMPORARY ', '')}`,
      }
    case 'lock_tables':
      return { text: 'Unlock before the connection goes back, also after an error', config: 'UNLOCK TABLES' }
    case 'user_lock':
      return { text: 'Release before the connection goes back, also after an error', config: 'RELEASE_ALL_LOCKS()' }
    case 'open_transaction':
      return { text: 'End every transaction before the connection goes back, also after an error', config: 'ROLLBACK' }
    case 'schema':
      return {
        text: 'Name the schema in statements, or go back to the connection’s own before it is returned',
        config: leak.previous ? `USE ${leak.previous}` : 'USE …',
      }
    case 'sql_select_limit':
      return { text: 'Use LIMIT in the statement, or take it back', config: 'SET SQL_SELECT_LIMIT = DEFAULT' }
    case 'charset':
    case 'collation':
      return {
        text: 'Set the character set for the whole pool in the connection string, not by SET NAMES',
        config: leak.previous ? `SET NAMES ${leak.previous}` : 'SET NAMES …',
      }
    default: {
      const name = leak.entries[0]!.key.replace(/^var:/, '')
      return {
        text: 'Take it back before the connection goes back, or set it for the whole pool',
        config: leak.entries[0]!.key.startsWith('var:') ? `SET SESSION ${name} = ${leak.previous ?? 'DEFAULT'}` : '',
      }
    }
  }
}

export function remediesFor(leak: Leak, front: Session, fleet: Fleet): Remedy[] {
  const name = front.mysql?.login?.attributes['_client_name'] ?? ''
  const product = leak.setIn.checkout?.product ?? ''
  const out: Remedy[] = []
  if (/hikari/i.test(product))
    out.push({
      text: 'HikariCP undoes only what went through JDBC setters; set the pool’s own values once',
      config: 'connectionInitSql, transactionIsolation, catalog',
    })
  if (/druid/i.test(product))
    out.push({
      text: 'Druid undoes only autocommit, isolation and read-only set through JDBC; set the pool’s own values once',
      config: 'connectionInitSqls',
    })
  const driver = BY_CLIENT.find(([pattern]) => pattern.test(name))
  if (driver !== undefined) out.push(driver[2])
  else
    out.push({
      text: 'Reset connections when they come back to the pool',
      config:
        'COM_RESET_CONNECTION (mysql2: resetOnRelease, MariaDB: resetAfterUse or useResetConnection, MySqlConnector: ConnectionReset)',
    })
  out.push(undo(leak))
  if (fleet.isProxy(front.serverIp))
    out.push({ text: 'The proxy joins connections one to one and resets nothing by itself', config: '' })
  return out
}
