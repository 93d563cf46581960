// What programs do with node-postgres, each case on its own: prints "ok NAME", "failed NAME: why",
// or "skipped NAME: why" where a package beside pg is not installed.
// usage: node node_pg.js HOST PORT DATABASE USER
'use strict'

const assert = require('assert')
const { once } = require('events')
const { Readable } = require('stream')
const pg = require('pg')

const [host, port, database, user] = process.argv.slice(2)
const settings = { host, port: Number(port), database, user, password: 'none', ssl: false }
const cases = {}
let failed = 0

const LONG = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000)'
  + ' SELECT count(*) FROM n'

async function connect (more) {
  const db = new pg.Client({ ...settings, ...more })
  db.on('error', () => {})
  await db.connect()
  return db
}

async function sqlstate (wanted, promise) {
  let error = null
  await promise.catch((e) => { error = e })
  assert.ok(error, `no error, wanted ${wanted}`)
  assert.strictEqual(error.code, wanted, error.message)
  return error
}

// ---- values ----

async function types (db, binary) {
  await db.query('CREATE TABLE types_' + binary + ' (a int2, b int4, c int8, d float4, e float8, '
    + 'f numeric(10,4), g text, h varchar(20), i boolean, j date, k timestamp, l timestamptz, '
    + 'm uuid, n bytea)')
  const values = [7, 42, '4611686018427387904', 1.5, 0.1, '123.4500', 'h\u00e9llo', 'short', true,
    new Date(2024, 1, 29), new Date(2024, 1, 29, 1, 2, 3, 4), new Date(Date.UTC(2024, 1, 29, 1, 2, 3)),
    'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', Buffer.from([0, 1, 255])]
  const marks = values.map((_, i) => '$' + (i + 1)).join(', ')
  const insert = `INSERT INTO types_${binary} VALUES (${marks})`
  assert.strictEqual((await db.query(insert, values)).rowCount, 1)
  await db.query(insert, values.map(() => null))
  const got = await db.query({ text: `SELECT * FROM types_${binary} ORDER BY a IS NULL`, binary })
  const first = Object.values(got.rows[0])
  if (!binary) first[5] = Number(first[5])
  const wanted = values.slice()
  if (!binary) wanted[5] = 123.45
  if (typeof first[9] === 'string') wanted[9] = '2024-02-29'  // pg-types 4 leaves days as they are
  if (binary) {  // node-postgres reads these two as text or as numbers when they are binary
    wanted.splice(5, 1)
    first.splice(5, 1)
    wanted.splice(8, 2)
    first.splice(8, 2)
    first[1 + 1] = String(first[1 + 1])
    wanted.splice(9, 1)
    first.splice(9, 1)
  }
  assert.deepStrictEqual(first, wanted)
  assert.ok(Object.values(got.rows[1]).every((v) => v === null))
  assert.deepStrictEqual(got.fields.slice(0, 5).map((f) => f.dataTypeID), [21, 23, 20, 700, 701])
}

cases.types_text = (db) => types(db, false)
cases.types_binary = (db) => types(db, true)

cases.json = async (db) => {
  await db.query('CREATE TABLE documents (id serial PRIMARY KEY, a json, b jsonb)')
  const document = { x: [1, 'two', null], y: { z: true } }
  await db.query('INSERT INTO documents (a, b) VALUES ($1, $2)', [document, document])
  const { rows } = await db.query('SELECT a, b, b -> \'y\' ->> \'z\' AS z FROM documents')
  assert.deepStrictEqual(rows, [{ a: document, b: document, z: 'true' }])
}

cases.arrays = async (db) => {
  await db.query('CREATE TABLE arrays (id int, tags text[], numbers int[])')
  const tags = ['a', 'b c', null, '"q"', 'x,y']
  await db.query('INSERT INTO arrays VALUES ($1, $2, $3)', [1, tags, [1, 2, 3]])
  const { rows } = await db.query('SELECT * FROM arrays WHERE id = ANY ($1)', [[1, 5]])
  assert.deepStrictEqual(rows, [{ id: 1, tags, numbers: [1, 2, 3] }])
  const found = await db.query('SELECT id FROM arrays WHERE tags[1] = ANY ($1::text[])', [['a']])
  assert.strictEqual(found.rowCount, 1)
}

cases.row_mode = async (db) => {
  const { rows } = await db.query({ text: 'SELECT 1 AS a, \'x\'::text AS a', rowMode: 'array' })
  assert.deepStrictEqual(rows, [[1, 'x']])
}

// ---- statements ----

cases.results = async (db) => {
  await db.query('CREATE TABLE results (id serial PRIMARY KEY, name text)')
  const made = await db.query('INSERT INTO results (name) VALUES ($1), ($2) RETURNING id',
    ['a', 'b'])
  assert.deepStrictEqual([made.command, made.rowCount, made.rows], ['INSERT', 2, [{ id: 1 },
    { id: 2 }]])
  const several = await db.query('SELECT 1 AS a; UPDATE results SET name = \'c\'; SELECT 2 AS b')
  assert.deepStrictEqual(several.map((r) => [r.command, r.rowCount]), [['SELECT', 1],
    ['UPDATE', 2], ['SELECT', 1]])
  const empty = await db.query('')
  assert.strictEqual(empty.rows.length, 0)
}

cases.named_statements = async (db) => {
  await db.query('CREATE TABLE named (a int, b text)')
  for (let i = 0; i < 10; i++) {
    await db.query({ name: 'insert', text: 'INSERT INTO named VALUES ($1, $2)', values: [i, `${i}`] })
  }
  for (const a of [3, 7]) {
    const { rows } = await db.query({ name: 'select', text: 'SELECT b FROM named WHERE a = $1', values: [a] })
    assert.deepStrictEqual(rows, [{ b: `${a}` }])
  }
  await sqlstate('42P01', db.query({ name: 'bad', text: 'SELECT * FROM not_there' }))
  assert.strictEqual((await db.query({ name: 'insert', text: 'INSERT INTO named VALUES ($1, $2)', values: [11, null] })).rowCount, 1)
  await db.query('ALTER TABLE named ADD COLUMN c int')
  const again = await db.query({ name: 'select', text: 'SELECT b FROM named WHERE a = $1', values: [7] })
  assert.deepStrictEqual(again.rows, [{ b: '7' }])
}

cases.queued = async (db) => {
  const answers = await Promise.all([1, 2, 3].map((i) => db.query('SELECT $1::int AS a', [i])))
  assert.deepStrictEqual(answers.map((r) => r.rows[0].a), [1, 2, 3])
}

cases.transactions = async (db) => {
  await db.query('CREATE TABLE accounts (id int PRIMARY KEY, n int)')
  await db.query('BEGIN')
  await db.query('INSERT INTO accounts VALUES (1, 1)')
  await db.query('SAVEPOINT s')
  await sqlstate('23505', db.query('INSERT INTO accounts VALUES ($1, $2)', [1, 1]))
  await sqlstate('25P02', db.query('SELECT 1'))
  await db.query('ROLLBACK TO SAVEPOINT s')
  await db.query('COMMIT')
  await db.query('BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY')
  await sqlstate('25006', db.query('DELETE FROM accounts'))
  await db.query('ROLLBACK')
  assert.deepStrictEqual((await db.query('SELECT * FROM accounts')).rows, [{ id: 1, n: 1 }])
}

cases.errors = async (db) => {
  await db.query('CREATE TABLE parents (id int PRIMARY KEY)')
  await db.query('CREATE TABLE children (id int PRIMARY KEY, parent int NOT NULL REFERENCES '
    + 'parents, n int CHECK (n > 0))')
  await sqlstate('23503', db.query('INSERT INTO children VALUES (1, 7, 1)'))
  const error = await sqlstate('23502', db.query('INSERT INTO children VALUES (1, NULL, 1)'))
  assert.strictEqual(error.severity, 'ERROR')
  await sqlstate('42601', db.query('SELEC 1'))
  await sqlstate('42703', db.query('SELECT nothing FROM parents'))
  await sqlstate('42P07', db.query('CREATE TABLE parents (id int)'))
  await sqlstate('22P02', db.query('SELECT $1::int', ['no number']))
  await db.query('INSERT INTO parents VALUES (1)')
  await sqlstate('23514', db.query('INSERT INTO children VALUES (1, 1, 0)'))
}

// ---- beside pg ----

cases.pool = async () => {
  const pool = new pg.Pool({ ...settings, max: 4 })
  const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => pool.query('SELECT $1::int AS a', [i])))
  assert.deepStrictEqual(answers.map((r) => r.rows[0].a), Array.from({ length: 40 }, (_, i) => i))
  await pool.end()
}

async function numbers (db, count) {
  await db.query('CREATE TABLE numbers (a int)')
  await db.query(`INSERT INTO numbers SELECT * FROM generate_series(1, ${count})`)
}

cases.cursor = async (db) => {
  const Cursor = require('pg-cursor')
  await numbers(db, 1000)
  const cursor = db.query(new Cursor('SELECT a FROM numbers WHERE a > $1 ORDER BY a', [10]))
  const read = (n) => new Promise((resolve, reject) => {
    cursor.read(n, (error, rows) => error ? reject(error) : resolve(rows))
  })
  const first = await read(100)
  assert.deepStrictEqual([first.length, first[0].a, (await read(5)).length], [100, 11, 5])
  await new Promise((resolve) => cursor.close(resolve))
  assert.strictEqual((await db.query('SELECT 1 AS a')).rows[0].a, 1)
}

cases.query_stream = async (db) => {
  const QueryStream = require('pg-query-stream')
  await db.query('DROP TABLE IF EXISTS numbers')
  await numbers(db, 3000)
  let sum = 0
  for await (const row of db.query(new QueryStream('SELECT a FROM numbers', [], { batchSize: 50 }))) {
    sum += row.a
  }
  assert.strictEqual(sum, 4501500)
}

cases.copy_streams = async (db) => {
  const { from, to } = require('pg-copy-streams')
  await db.query('CREATE TABLE copied (a int, b text)')
  const input = db.query(from('COPY copied FROM STDIN'))
  Readable.from(['1\tone\n2\t', '\\N\n']).pipe(input)
  await once(input, 'finish')
  assert.strictEqual(input.rowCount, 2)
  let text = ''
  for await (const chunk of db.query(to('COPY copied TO STDOUT WITH (FORMAT csv)'))) text += chunk
  assert.strictEqual(text, '1,one\n2,\n')
  const bad = db.query(from('COPY copied FROM STDIN'))
  Readable.from(['x\n']).pipe(bad)
  const [error] = await once(bad, 'error').catch((e) => [e])
  assert.ok(['22P02', '22P04'].includes(error.code), error.message)
}

// ---- time ----

cases.cancel = async (db) => {
  const other = await connect()
  const running = sqlstate('57014', db.query(LONG))
  running.catch(() => {})  // it is waited for below
  await new Promise((resolve) => setTimeout(resolve, 200))
  try {
    const { rows } = await other.query('SELECT pg_cancel_backend($1)', [db.processID])
    assert.deepStrictEqual(rows, [{ pg_cancel_backend: true }])
    await running
  } finally {
    await other.end()
  }
  assert.strictEqual((await db.query('SELECT 1 AS a')).rows[0].a, 1)
}

cases.timeouts = async () => {
  const db = await connect({ statement_timeout: 200, application_name: 'a program' })
  await sqlstate('57014', db.query(LONG))
  const { rows } = await db.query('SHOW application_name')
  assert.deepStrictEqual(rows, [{ application_name: 'a program' }])
  await db.end()
}

async function main () {
  for (const [name, body] of Object.entries(cases)) {
    const db = await connect()
    try {
      await body(db)
      console.log(`ok ${name}`)
    } catch (e) {
      if (e.code === 'MODULE_NOT_FOUND') {
        console.log(`skipped ${name}: no package ${e.message.split('\n')[0]}`)
      } else {
        failed++
        const at = (e.stack || '').match(/node_pg.js:(\d+)/)
        console.log(`failed ${name}: ${String(e.message).replace(/\s+/g, ' ')} at line ${at && at[1]}`)
      }
    } finally {
      await db.end()
    }
  }
  process.exitCode = failed ? 1 : 0
}

main()
