/** The log formats, most specific first; a line is read by the first that knows it. To add one: write it and its row here. */
import type { LogFormat } from './format.ts'
import { application } from './formats/application.ts'
import { c3p0 } from './formats/c3p0.ts'
import { dbcp2 } from './formats/dbcp2.ts'
import { druid } from './formats/druid.ts'
import { envoy } from './formats/envoy.ts'
import { goSqlDriver } from './formats/go-sql-driver.ts'
import { haproxyClf } from './formats/haproxy-clf.ts'
import { haproxyHttplog } from './formats/haproxy-httplog.ts'
import { haproxyJson } from './formats/haproxy-json.ts'
import { haproxyNotice } from './formats/haproxy-notice.ts'
import { haproxyTcplog } from './formats/haproxy-tcplog.ts'
import { hikaricp } from './formats/hikaricp.ts'
import { mariadbError } from './formats/mariadb-error.ts'
import { maxscale } from './formats/maxscale.ts'
import { mysqlError } from './formats/mysql-error.ts'
import { mysqlErrorJson } from './formats/mysql-error-json.ts'
import { mysqlGeneral } from './formats/mysql-general.ts'
import { mysqlRouter } from './formats/mysql-router.ts'
import { mysqlSlow } from './formats/mysql-slow.ts'
import { mysqlconnector } from './formats/mysqlconnector.ts'
import { p6spy } from './formats/p6spy.ts'
import { poolTrace } from './formats/pool-trace.ts'
import { proxysql } from './formats/proxysql.ts'
import { proxysqlAudit } from './formats/proxysql-audit.ts'
import { proxysqlEvents } from './formats/proxysql-events.ts'
import { sqlalchemy } from './formats/sqlalchemy.ts'
import { tomcatJdbc } from './formats/tomcat-jdbc.ts'

export const LOG_FORMATS: readonly LogFormat[] = [
  haproxyTcplog,
  haproxyHttplog,
  haproxyClf,
  haproxyJson,
  haproxyNotice,
  proxysql,
  proxysqlAudit,
  proxysqlEvents,
  mysqlRouter,
  maxscale,
  envoy,
  mysqlError,
  mysqlErrorJson,
  mariadbError,
  mysqlGeneral,
  mysqlSlow,
  poolTrace,
  p6spy,
  goSqlDriver,
  hikaricp,
  druid,
  c3p0,
  dbcp2,
  tomcatJdbc,
  sqlalchemy,
  mysqlconnector,
  // Takes any line with a time: last.
  application,
]
