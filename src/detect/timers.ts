/**
 * Known idle timers between an application and its database: what they are called, what they are set to out of the box, and
 * how a connection looks that met one. Data, not rules: a fit says "this setting would look like that", never "it was this".
 * Values and behaviour are those of the documents named; figures marked "measured" come from real captures of that product.
 */

/**
 * How a timer ends a connection. `fin` and `rst`: at expiry; `err-4031`: MySQL's farewell, then FIN; `rst-next`: nothing at expiry, RST to whoever
 * speaks next; `silent`: nothing at expiry, later packets vanish.
 */
export type CloseStyle = 'fin' | 'rst' | 'err-4031' | 'rst-next' | 'silent'

export interface KnownTimer {
  product: string
  /** Name of the setting as its manual writes it. */
  setting: string
  /** Out-of-the-box value in seconds; null when off or unlimited by default. */
  seconds: number | null
  /** Whether it can be set to other values, and the least and the most that it takes, seconds, where there are bounds. */
  adjustable: boolean
  bounds?: readonly [number, number]
  styles: readonly CloseStyle[]
  /** Which box it lives in. */
  where: 'server' | 'proxy' | 'middlebox' | 'client'
  /** How late it may fire, seconds: granularity of its clock or of the loop that looks. */
  late: number
  /** What ends the idle time: payload only, or any packet (then TCP keep-alive helps). */
  refreshedBy: 'payload' | 'packet'
  source: { title: string; url: string }
}

const MYSQL_MANUAL = 'https://dev.mysql.com/doc/refman/8.4/en/server-system-variables.html'
const HAPROXY_MANUAL = 'https://docs.haproxy.org/2.6/configuration.html'

export const TIMERS: readonly KnownTimer[] = [
  {
    product: 'MySQL',
    setting: 'wait_timeout',
    seconds: 28_800,
    adjustable: true,
    // ERR 4031 before the FIN since 8.0.24.
    styles: ['err-4031', 'fin'],
    where: 'server',
    late: 1,
    refreshedBy: 'payload',
    source: { title: 'MySQL manual: wait_timeout', url: `${MYSQL_MANUAL}#sysvar_wait_timeout` },
  },
  {
    product: 'MySQL',
    setting: 'interactive_timeout',
    seconds: 28_800,
    adjustable: true,
    styles: ['err-4031', 'fin'],
    where: 'server',
    late: 1,
    refreshedBy: 'payload',
    source: { title: 'MySQL manual: interactive_timeout', url: `${MYSQL_MANUAL}#sysvar_interactive_timeout` },
  },
  {
    product: 'MariaDB',
    setting: 'wait_timeout, interactive_timeout',
    seconds: 28_800,
    adjustable: true,
    // Measured: 10.11.19 sends RST,ACK and no FIN, 4 ms after the timer.
    styles: ['rst', 'fin'],
    where: 'server',
    late: 1,
    refreshedBy: 'payload',
    source: {
      title: 'MariaDB: wait_timeout',
      url: 'https://mariadb.com/docs/server/ref/mdb/system-variables/wait_timeout',
    },
  },
  {
    product: 'MariaDB',
    setting: 'idle_transaction_timeout, idle_write_transaction_timeout, idle_readonly_transaction_timeout',
    seconds: null,
    adjustable: true,
    styles: ['rst', 'fin'],
    where: 'server',
    late: 1,
    refreshedBy: 'payload',
    source: { title: 'MariaDB: Transaction Timeouts', url: 'https://mariadb.com/kb/en/transaction-timeouts/' },
  },
  {
    product: 'HAProxy',
    setting: 'timeout client',
    seconds: null,
    adjustable: true,
    // Measured on 2.6: both legs at once, 1-3 ms after the timer. With `option nolinger` RST.
    styles: ['fin', 'rst'],
    where: 'proxy',
    late: 0.01,
    refreshedBy: 'payload',
    source: { title: 'HAProxy 2.6: timeout client', url: `${HAPROXY_MANUAL}#4.2-timeout%20client` },
  },
  {
    product: 'HAProxy',
    setting: 'timeout server',
    seconds: null,
    adjustable: true,
    // Measured on 2.6: FIN to the client, while client to server and the server leg stay open; a late query still runs.
    styles: ['fin', 'rst'],
    where: 'proxy',
    late: 0.01,
    refreshedBy: 'payload',
    source: { title: 'HAProxy 2.6: timeout server', url: `${HAPROXY_MANUAL}#4.2-timeout%20server` },
  },
  {
    product: 'HAProxy',
    setting: 'timeout tunnel',
    seconds: null,
    adjustable: true,
    styles: ['fin', 'rst'],
    where: 'proxy',
    late: 0.01,
    refreshedBy: 'payload',
    source: { title: 'HAProxy 2.6: timeout tunnel', url: `${HAPROXY_MANUAL}#4.2-timeout%20tunnel` },
  },
  {
    product: 'ProxySQL',
    setting: 'mysql-wait_timeout',
    seconds: 28_800,
    adjustable: true,
    // The maintenance loop looks every mysql-poll_timeout, 2 s.
    styles: ['fin'],
    where: 'proxy',
    late: 2,
    refreshedBy: 'payload',
    source: {
      title: 'ProxySQL: mysql-wait_timeout',
      url: 'https://proxysql.com/documentation/global-variables/mysql-variables/#mysql-wait_timeout',
    },
  },
  {
    product: 'ProxySQL',
    setting: 'mysql-max_transaction_idle_time',
    seconds: 14_400,
    adjustable: true,
    styles: ['fin'],
    where: 'proxy',
    late: 2,
    refreshedBy: 'payload',
    source: {
      title: 'ProxySQL: mysql-max_transaction_idle_time',
      url: 'https://proxysql.com/documentation/global-variables/mysql-variables/#mysql-max_transaction_idle_time',
    },
  },
  {
    product: 'MaxScale',
    setting: 'wait_timeout, in older versions connection_timeout',
    seconds: null,
    adjustable: true,
    styles: ['fin'],
    where: 'proxy',
    late: 1,
    refreshedBy: 'payload',
    source: {
      title: 'MaxScale: configuration guide',
      url: 'https://mariadb.com/kb/en/mariadb-maxscale-2402-mariadb-maxscale-configuration-guide/',
    },
  },
  {
    product: 'Amazon RDS Proxy',
    setting: 'IdleClientTimeout',
    seconds: 1800,
    adjustable: true,
    bounds: [1, 28_800],
    styles: ['fin'],
    where: 'proxy',
    late: 60,
    refreshedBy: 'payload',
    source: {
      title: 'Amazon RDS Proxy: idle client connection timeout',
      url: 'https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy-managing.html',
    },
  },
  {
    product: 'Envoy',
    setting: 'tcp_proxy idle_timeout',
    seconds: 3600,
    adjustable: true,
    styles: ['fin', 'rst'],
    where: 'proxy',
    late: 1,
    refreshedBy: 'payload',
    source: {
      title: 'Envoy: TCP proxy',
      url: 'https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/tcp_proxy/v3/tcp_proxy.proto',
    },
  },
  {
    product: 'AWS Network Load Balancer',
    setting: 'tcp.idle_timeout.seconds',
    seconds: 350,
    adjustable: true,
    bounds: [60, 6000],
    styles: ['rst-next'],
    where: 'middlebox',
    late: 10,
    refreshedBy: 'packet',
    source: {
      title: 'AWS: TCP idle timeout of a Network Load Balancer',
      url: 'https://docs.aws.amazon.com/elasticloadbalancing/latest/network/update-idle-timeout.html',
    },
  },
  {
    product: 'AWS NAT gateway',
    setting: 'idle timeout',
    seconds: 350,
    adjustable: false,
    styles: ['rst-next'],
    where: 'middlebox',
    late: 10,
    refreshedBy: 'packet',
    source: {
      title: 'AWS: troubleshoot NAT gateways',
      url: 'https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html',
    },
  },
  {
    product: 'AWS Network Firewall',
    setting: 'TcpIdleTimeoutSeconds',
    seconds: 350,
    adjustable: true,
    bounds: [60, 6000],
    styles: ['silent'],
    where: 'middlebox',
    late: 10,
    refreshedBy: 'packet',
    source: {
      title: 'AWS Network Firewall: FlowTimeouts',
      url: 'https://docs.aws.amazon.com/network-firewall/latest/APIReference/API_FlowTimeouts.html',
    },
  },
  {
    product: 'Azure Load Balancer',
    setting: 'idleTimeoutInMinutes',
    seconds: 240,
    adjustable: true,
    bounds: [240, 6000],
    // RST to both ends at expiry when "TCP reset on idle" is on.
    styles: ['silent', 'rst'],
    where: 'middlebox',
    late: 10,
    refreshedBy: 'packet',
    source: {
      title: 'Azure Load Balancer: TCP reset and idle timeout',
      url: 'https://learn.microsoft.com/azure/load-balancer/load-balancer-tcp-reset',
    },
  },
  {
    product: 'Google Cloud VPC',
    setting: 'connection tracking',
    seconds: 600,
    adjustable: false,
    styles: ['silent'],
    where: 'middlebox',
    late: 10,
    refreshedBy: 'packet',
    source: {
      title: 'Compute Engine: troubleshooting idle connections',
      url: 'https://cloud.google.com/compute/docs/troubleshooting/general-tips#communicatewithinternet',
    },
  },
  {
    product: 'Google Cloud NAT',
    setting: 'tcp-established-idle-timeout',
    seconds: 1200,
    adjustable: true,
    styles: ['silent'],
    where: 'middlebox',
    late: 10,
    refreshedBy: 'packet',
    source: { title: 'Cloud NAT: timeouts', url: 'https://cloud.google.com/nat/docs/tune-nat-configuration' },
  },
  {
    product: 'F5 BIG-IP',
    setting: 'FastL4 / TCP profile idleTimeout (resetOnTimeout)',
    seconds: 300,
    adjustable: true,
    styles: ['rst', 'silent'],
    where: 'middlebox',
    late: 5,
    refreshedBy: 'packet',
    source: {
      title: 'F5 AS3: L4_Profile',
      url: 'https://clouddocs.f5.com/products/extensions/f5-appsvcs-extension/latest/refguide/schema-reference.html',
    },
  },
  {
    product: 'Linux IPVS',
    setting: 'ipvsadm --set tcp',
    seconds: 900,
    adjustable: true,
    styles: ['rst-next', 'silent'],
    where: 'middlebox',
    late: 2,
    refreshedBy: 'packet',
    source: { title: 'ipvsadm(8), --set', url: 'https://man7.org/linux/man-pages/man8/ipvsadm.8.html' },
  },
  {
    product: 'Linux conntrack (NAT, stateful firewall)',
    setting: 'nf_conntrack_tcp_timeout_established',
    seconds: 432_000,
    adjustable: true,
    styles: ['silent', 'rst-next'],
    where: 'middlebox',
    late: 2,
    refreshedBy: 'packet',
    source: { title: 'Linux: nf_conntrack-sysctl', url: 'https://docs.kernel.org/networking/nf_conntrack-sysctl.html' },
  },
  {
    product: 'HikariCP',
    setting: 'idleTimeout',
    seconds: 600,
    adjustable: true,
    styles: ['fin'],
    where: 'client',
    // The housekeeper runs every 30 s.
    late: 30,
    refreshedBy: 'payload',
    source: {
      title: 'HikariCP: configuration',
      url: 'https://github.com/brettwooldridge/HikariCP#gear-configuration-knobs-baby',
    },
  },
  {
    product: 'mysql2 (Node.js) pool',
    setting: 'idleTimeout',
    seconds: 60,
    adjustable: true,
    styles: ['fin'],
    where: 'client',
    late: 1,
    refreshedBy: 'payload',
    source: {
      title: 'mysql2: createPool options',
      url: 'https://sidorares.github.io/node-mysql2/docs/examples/connections/create-pool',
    },
  },
  {
    product: 'Druid',
    setting: 'minEvictableIdleTimeMillis',
    seconds: 1800,
    adjustable: true,
    styles: ['fin'],
    where: 'client',
    late: 60,
    refreshedBy: 'payload',
    source: {
      title: 'Druid: DruidDataSource configuration',
      url: 'https://github.com/alibaba/druid/wiki/DruidDataSource%E9%85%8D%E7%BD%AE',
    },
  },
]

export interface TimerFit {
  timer: KnownTimer
  /** The value is the one it has out of the box. */
  byDefault: boolean
}

/**
 * Timers that a close fits. Exact closes fit a default that they follow by no more than its lateness, and every adjustable
 * timer of that place and style. Interval-censored ones (style `rst-next`, `silent`): the timer lies in (above, below].
 */
export function fits(
  style: CloseStyle,
  range: { above: number; below: number },
  where: readonly KnownTimer['where'][],
): TimerFit[] {
  const found: TimerFit[] = []
  for (const timer of TIMERS) {
    if (!where.includes(timer.where) || !timer.styles.includes(style)) continue
    const byDefault =
      timer.seconds !== null && timer.seconds > range.above - CLOCK_EARLY && timer.seconds <= range.below
    const near =
      byDefault ||
      (timer.seconds !== null &&
        style !== 'rst-next' &&
        style !== 'silent' &&
        range.above >= timer.seconds &&
        range.above <= timer.seconds + timer.late)
    if (near || settable(timer, range)) found.push({ timer, byDefault: near })
  }
  return found.sort((a, b) => Number(b.byDefault) - Number(a.byDefault))
}

/** The timer can be set to a value in the range. */
function settable(timer: KnownTimer, range: { above: number; below: number }): boolean {
  if (!timer.adjustable || timer.bounds === undefined) return timer.adjustable
  return range.below >= timer.bounds[0] && range.above <= timer.bounds[1] + timer.late
}

/** Capture clocks and timers disagree by this much at most, seconds. */
const CLOCK_EARLY = 0.005
