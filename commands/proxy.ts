/** The recording proxy (contract.md section 1): flags to settings, signals to an orderly end. */
import { Flags } from '@oclif/core'
import { BaseCommand } from '../src/cli/base-command.ts'
import { ProxyLog } from '../src/cli/proxy-log.ts'
import { ProxySession } from '../src/cli/proxy-session.ts'
import { startProxy } from '../src/index.ts'

export default class ProxyCommand extends BaseCommand {
  static override summary =
    'Stand between an application and its database, forward every byte, and record what settles the question.'
  static override description =
    'Forwards connections untouched and writes a pcapng recording that Wireshark opens and mysqlconn analyze reads. ' +
    'The traffic never waits for the recording: a slow or full disk costs frames (counted in the file) or the recording, never a connection. ' +
    'SIGTERM and Ctrl-C drain: no new connections, answers under way are waited for, then a summary; a second signal ends at once. SIGHUP begins a new file. ' +
    'Exit code: 0 drained, 2 wrong usage or an address that cannot be had, 3 the recording cannot be written, 70 a bug of ours, 130 ended with connections cut short.'
  static override examples = [
    '<%= config.bin %> proxy --listen 3307 --upstream db.example.com:3306 --record incident.pcapng',
    '<%= config.bin %> proxy --listen 0.0.0.0:3307 --upstream 10.0.0.5:3306 --record incident.pcapng --ring 10x100MB --gzip',
    '<%= config.bin %> proxy --listen 3307 --upstream unix:/run/mysqld/mysqld.sock --record - | tshark -r -',
  ]
  static override flags = {
    listen: Flags.string({
      summary:
        'Where clients connect: [HOST:]PORT or unix:PATH. Loopback unless a host is given. May be given more than once.',
      helpValue: '[HOST:]PORT',
      multiple: true,
      multipleNonGreedy: true,
      required: true,
      helpGroup: 'TRAFFIC',
    }),
    upstream: Flags.string({
      summary: 'Where the database (or its proxy) is. One for all listeners, or one for each, in the same order.',
      helpValue: 'HOST:PORT',
      multiple: true,
      multipleNonGreedy: true,
      required: true,
      helpGroup: 'TRAFFIC',
    }),
    'proxy-protocol': Flags.string({
      summary:
        'PROXY protocol: in (a header is expected from clients), out (one is sent to the upstream, version 2; out-v1 for version 1).',
      helpValue: 'in|out|in,out',
      helpGroup: 'TRAFFIC',
    }),
    'max-connections': Flags.integer({
      summary: 'Clients beyond this number are turned away.',
      default: 10_000,
      min: 1,
      helpValue: 'N',
      helpGroup: 'TRAFFIC',
    }),
    'connect-timeout': Flags.string({
      summary: 'How long the upstream may take to accept a connection.',
      default: '10s',
      helpValue: 'TIME',
      helpGroup: 'TRAFFIC',
    }),
    drain: Flags.string({
      summary: 'How long connections with a running statement may go on after a signal.',
      default: '10s',
      helpValue: 'TIME',
      helpGroup: 'TRAFFIC',
    }),
    fault: Flags.string({
      summary:
        'Break connections on purpose: rst-after-query, fin-after-query, idle-timeout=TIME, silent-drop, slow-reader=SIZE (a second), delay=TIME, truncate=BYTES (of the answer).',
      helpValue: 'KIND[=VALUE]',
      helpGroup: 'FAULTS',
    }),
    'fault-probability': Flags.string({
      summary: 'How many of the statements (for idle-timeout: connections) it hits, 0 to 1. Default 1.',
      helpValue: 'P',
      dependsOn: ['fault'],
      helpGroup: 'FAULTS',
    }),
    match: Flags.string({
      summary: 'Which it hits: user=NAME, schema=NAME or sql=REGEX.',
      helpValue: 'WHAT=VALUE',
      dependsOn: ['fault'],
      helpGroup: 'FAULTS',
    }),
    'tls-cert': Flags.string({
      summary:
        'End TLS: certificate (PEM, with its chain) towards clients. Without it TLS passes through untouched and unreadable.',
      helpValue: 'FILE',
      dependsOn: ['tls-key'],
      helpGroup: 'TLS',
    }),
    'tls-key': Flags.string({
      summary: 'Its private key (PEM).',
      helpValue: 'FILE',
      dependsOn: ['tls-cert'],
      helpGroup: 'TLS',
    }),
    'upstream-tls': Flags.string({
      summary:
        'How the server is checked when TLS is ended here: certificate and name, certificate only, or not at all. Default verify-full. off is refused: it would show passwords.',
      options: ['verify-full', 'verify-ca', 'required', 'off'],
      helpValue: 'verify-full|verify-ca|required',
      helpGroup: 'TLS',
    }),
    'upstream-ca': Flags.string({
      summary:
        'CA certificates (PEM) that the server’s certificate is checked against; those of the system if not given.',
      helpValue: 'FILE',
      helpGroup: 'TLS',
    }),
    'upstream-cert': Flags.string({
      summary: 'Client certificate (PEM) for the server.',
      helpValue: 'FILE',
      dependsOn: ['upstream-key'],
      helpGroup: 'TLS',
    }),
    'upstream-key': Flags.string({
      summary: 'Its private key (PEM).',
      helpValue: 'FILE',
      dependsOn: ['upstream-cert'],
      helpGroup: 'TLS',
    }),
    'record-secrets': Flags.boolean({
      summary:
        'Write the secrets of TLS that is ended here into the recording, so that Wireshark and analyze can read it: whoever has the file can read the passwords in it.',
      dependsOn: ['record', 'tls-cert'],
      helpGroup: 'TLS',
    }),
    record: Flags.string({
      summary:
        'Record to this file (pcapng, mode 0600); - is stdout. A file that exists is never overwritten: the next free name is taken.',
      helpValue: 'FILE',
      helpGroup: 'RECORDING',
    }),
    ring: Flags.string({
      summary: 'Keep the last files only: 10x100MB (ten of 100 MB), 24x1h, or 10x100MB,5m.',
      helpValue: 'NxSIZE|NxTIME',
      dependsOn: ['record'],
      helpGroup: 'RECORDING',
    }),
    gzip: Flags.boolean({
      summary: 'Compress files of the ring once they are finished.',
      dependsOn: ['ring'],
      helpGroup: 'RECORDING',
    }),
    snaplen: Flags.integer({
      summary: 'Keep this many bytes of each frame, 0 for all.',
      default: 0,
      min: 0,
      helpValue: 'BYTES',
      helpGroup: 'RECORDING',
    }),
    flush: Flags.string({
      summary: 'Write at least this often: what a crash may lose.',
      default: '1s',
      helpValue: 'TIME',
      helpGroup: 'RECORDING',
    }),
    buffer: Flags.string({
      summary: 'Memory for what waits to be written. When it is full frames are left out and counted.',
      default: '128MB',
      helpValue: 'SIZE',
      helpGroup: 'RECORDING',
    }),
    keep: Flags.string({
      summary:
        'Hold this much of the past back in memory and write it, with what follows for as long, only when something is found.',
      helpValue: 'TIME',
      dependsOn: ['record'],
      helpGroup: 'RECORDING',
    }),
    'keep-memory': Flags.string({
      summary: 'Memory for what is held back.',
      default: '256MB',
      helpValue: 'SIZE',
      helpGroup: 'RECORDING',
    }),
    'record-on': Flags.string({
      summary: 'What --keep waits for: any finding but those of severity info, or those of a severity or a graver one.',
      options: ['finding', 'error', 'warning', 'info'],
      dependsOn: ['keep'],
      helpValue: 'finding|error|warning|info',
      helpGroup: 'RECORDING',
    }),
    live: Flags.boolean({
      summary: 'Judge the traffic while it passes and tell findings on stderr.',
      default: true,
      allowNo: true,
      helpGroup: 'OUTPUT',
    }),
    'on-finding': Flags.string({
      summary:
        'Run this program (with arguments, separated by spaces; no shell) with each finding as JSON on its standard input.',
      helpValue: 'CMD',
      helpGroup: 'OUTPUT',
    }),
    'status-port': Flags.integer({
      summary: 'Serve /healthz and /metrics (Prometheus) on this port of loopback.',
      min: 0,
      max: 65_535,
      helpValue: 'PORT',
      helpGroup: 'OUTPUT',
    }),
    log: Flags.string({
      summary: 'How events are told on stderr.',
      options: ['text', 'json'],
      default: 'text',
      helpValue: 'text|json',
      helpGroup: 'OUTPUT',
    }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(ProxyCommand)
    const log = new ProxyLog(flags.log as 'text' | 'json')
    const proxy = await startProxy({
      listen: flags.listen,
      upstream: flags.upstream,
      ...text('record', flags.record),
      ...text('ring', flags.ring),
      gzip: flags.gzip,
      snaplen: flags.snaplen,
      flush: flags.flush,
      buffer: flags.buffer,
      ...text('keep', flags.keep),
      ...text('proxyProtocol', flags['proxy-protocol']),
      ...text('fault', flags.fault),
      ...(flags['fault-probability'] === undefined ? {} : { faultProbability: Number(flags['fault-probability']) }),
      ...text('match', flags.match),
      ...text('tlsCert', flags['tls-cert']),
      ...text('tlsKey', flags['tls-key']),
      ...text('upstreamTls', flags['upstream-tls']),
      ...text('upstreamCa', flags['upstream-ca']),
      ...text('upstreamCert', flags['upstream-cert']),
      ...text('upstreamKey', flags['upstream-key']),
      recordSecrets: flags['record-secrets'],
      keepMemory: flags['keep-memory'],
      ...(flags['record-on'] === undefined ? {} : { recordOn: flags['record-on'] as 'finding' }),
      live: flags.live,
      ...text('onFinding', flags['on-finding']),
      ...(flags['status-port'] === undefined ? {} : { statusPort: flags['status-port'] }),
      maxConnections: flags['max-connections'],
      connectTimeout: flags['connect-timeout'],
      onEvent: (e) => log.event(e),
      version: this.config.version,
    })
    const code = await new ProxySession(proxy, log, flags.drain).untilTold()
    if (code !== 0) this.exit(code)
  }
}

/** A setting that is absent when its flag is. */
const text = <K extends string>(key: K, value: string | undefined): { [P in K]?: string } =>
  value === undefined ? {} : ({ [key]: value } as { [P in K]?: string })
