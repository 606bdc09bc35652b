/** The log formats, most specific first; a line is read by the first that knows it. To add one: write it and its row here. */
import type { LogFormat } from './format.ts'
import { application } from './formats/application.ts'
import { haproxyTcplog } from './formats/haproxy-tcplog.ts'
import { hikaricp } from './formats/hikaricp.ts'
import { mariadbError } from './formats/mariadb-error.ts'
import { mysqlError } from './formats/mysql-error.ts'
import { proxysql } from './formats/proxysql.ts'

export const LOG_FORMATS: readonly LogFormat[] = [
  haproxyTcplog,
  proxysql,
  mysqlError,
  mariadbError,
  hikaricp,
  // Takes any line with a time: last.
  application,
]
