/** The JSON Schema of the report (contract.md section 3). */
import { BaseCommand } from '../src/cli/base-command.ts'
import { REPORT_JSON_SCHEMA } from '../src/report/schema.ts'

export default class Schema extends BaseCommand {
  static override summary = 'Print the JSON Schema of the report.'
  static override description =
    'JSON Schema 2020-12 of what analyze --format json prints. Fields are only ever added within mysqlconn.report/1.'
  static override examples = ['<%= config.bin %> schema > mysqlconn.schema.json']

  async run(): Promise<void> {
    await this.parse(Schema)
    await this.print([JSON.stringify(REPORT_JSON_SCHEMA, null, 2)])
  }
}
