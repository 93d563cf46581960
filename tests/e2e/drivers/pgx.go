// What programs do with pgx, each case on its own: prints "ok NAME" or "failed NAME: why".
// usage: go run pgx.go HOST PORT DATABASE USER
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

const long = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n " +
	"WHERE i < 2000000000) SELECT count(*) FROM n"

type test struct {
	name string
	body func(ctx context.Context, db *pgx.Conn)
}

var base string

// check ends a case.
func check(err error) {
	if err != nil {
		panic(err)
	}
}

func same(got, wanted any) {
	if !reflect.DeepEqual(got, wanted) {
		panic(fmt.Errorf("got %#v, wanted %#v", got, wanted))
	}
}

func sqlstate(err error, wanted string) {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		panic(fmt.Errorf("got %v, wanted %s", err, wanted))
	}
	if pgErr.Code != wanted {
		panic(fmt.Errorf("got %s (%s), wanted %s", pgErr.Code, pgErr.Message, wanted))
	}
}

func execute(ctx context.Context, db *pgx.Conn, texts ...string) {
	for _, text := range texts {
		_, err := db.Exec(ctx, text)
		check(err)
	}
}

func count(ctx context.Context, db *pgx.Conn, table string) (n int64) {
	check(db.QueryRow(ctx, "SELECT count(*) FROM "+table).Scan(&n))
	return n
}

// ---- values ----

type row struct {
	A int16
	B int32
	C int64
	D float32
	E float64
	F pgtype.Numeric
	G string
	H string
	I bool
	J time.Time
	K time.Time
	L time.Time
	M [16]byte
	N []byte
}

func types(table string) func(context.Context, *pgx.Conn) {
	return func(ctx context.Context, db *pgx.Conn) {
		execute(ctx, db, "CREATE TABLE "+table+" (a int2, b int4, c int8, d float4, e float8, "+
			"f numeric(10,4), g text, h varchar(20), i boolean, j date, k timestamp, "+
			"l timestamptz, m uuid, n bytea)")
		var f pgtype.Numeric
		check(f.Scan("123.4500"))
		moment := time.Date(2024, 2, 29, 1, 2, 3, 4000000, time.UTC)
		values := row{7, 42, 1 << 62, 1.5, 0.1, f, "h\u00e9llo", "short", true,
			time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC), moment, moment,
			[16]byte{1, 2, 3, 0xff}, []byte{0, 1, 255}}
		insert := "INSERT INTO " + table +
			" VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14)"
		v := values
		tag, err := db.Exec(ctx, insert, v.A, v.B, v.C, v.D, v.E, v.F, v.G, v.H, v.I, v.J, v.K,
			v.L, v.M, v.N)
		check(err)
		same(tag.String(), "INSERT 0 1")
		nothing := make([]any, 14)
		_, err = db.Exec(ctx, insert, nothing...)
		check(err)
		rows, err := db.Query(ctx, "SELECT * FROM "+table+" WHERE a = $1", 7)
		check(err)
		got, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[row])
		check(err)
		x, _ := got.F.Float64Value()
		same(x.Float64, 123.45)
		got.F, got.L = values.F, got.L.UTC()
		same(got, values)
		rows, err = db.Query(ctx, "SELECT * FROM "+table+" WHERE a IS NULL")
		check(err)
		nulls, err := pgx.CollectExactlyOneRow(rows, pgx.RowToMap)
		check(err)
		for name, value := range nulls {
			if value != nil {
				panic(fmt.Errorf("%s is %v", name, value))
			}
		}
	}
}

func jsonValues(ctx context.Context, db *pgx.Conn) {
	execute(ctx, db, "CREATE TABLE documents (id serial PRIMARY KEY, a json, b jsonb)")
	document := map[string]any{"x": "y", "z": []any{1.0, nil}}
	var id int32
	check(db.QueryRow(ctx, "INSERT INTO documents (a, b) VALUES ($1, $2) RETURNING id", document,
		document).Scan(&id))
	same(id, int32(1))
	var a, b map[string]any
	var x string
	check(db.QueryRow(ctx, "SELECT a, b, b ->> 'x' FROM documents WHERE id = $1", id).
		Scan(&a, &b, &x))
	same(a, document)
	same(b, document)
	same(x, "y")
	var raw json.RawMessage
	check(db.QueryRow(ctx, "SELECT b FROM documents").Scan(&raw))
	same(json.Valid(raw), true)
}

func arrays(ctx context.Context, db *pgx.Conn) {
	execute(ctx, db, "CREATE TABLE arrays (id int, tags text[], numbers int[], big bigint[])")
	tags := []string{"a", "b c", "\"q\"", "x,y"}
	_, err := db.Exec(ctx, "INSERT INTO arrays VALUES ($1, $2, $3, $4)", 1, tags,
		[]int32{1, 2, 3}, []int64{1 << 40})
	check(err)
	var gotTags []string
	var numbers []int32
	var big []int64
	check(db.QueryRow(ctx, "SELECT tags, numbers, big FROM arrays WHERE id = ANY ($1)",
		[]int32{1, 5}).Scan(&gotTags, &numbers, &big))
	same(gotTags, tags)
	same(numbers, []int32{1, 2, 3})
	same(big, []int64{1 << 40})
	same(count(ctx, db, "arrays"), int64(1))
}

func modes(mode pgx.QueryExecMode) func(context.Context, *pgx.Conn) {
	return func(ctx context.Context, db *pgx.Conn) {
		execute(ctx, db, "CREATE TABLE IF NOT EXISTS modes (a int, b text, c timestamptz)",
			"DELETE FROM modes")
		moment := time.Date(2024, 2, 29, 1, 2, 3, 0, time.UTC)
		for i := 0; i < 5; i++ {
			_, err := db.Exec(ctx, "INSERT INTO modes VALUES ($1, $2, $3)", mode, i,
				fmt.Sprintf("it's %d", i), moment)
			check(err)
		}
		var b string
		var c time.Time
		check(db.QueryRow(ctx, "SELECT b, c FROM modes WHERE a = $1", mode, 3).Scan(&b, &c))
		same(b, "it's 3")
		same(c.Equal(moment), true)
		_, err := db.Exec(ctx, "SELECT nothing FROM modes", mode)
		sqlstate(err, "42703")
	}
}

// ---- transactions, errors ----

func transactions(ctx context.Context, db *pgx.Conn) {
	execute(ctx, db, "CREATE TABLE accounts (id int PRIMARY KEY, balance int)")
	check(pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO accounts VALUES ($1, $2)", 1, 10)
		check(err)
		inner, err := tx.Begin(ctx) // a savepoint
		check(err)
		_, err = inner.Exec(ctx, "INSERT INTO accounts VALUES (1, 1)")
		sqlstate(err, "23505")
		_, err = inner.Exec(ctx, "SELECT 1")
		sqlstate(err, "25P02")
		return inner.Rollback(ctx)
	}))
	same(count(ctx, db, "accounts"), int64(1))
	tx, err := db.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.Serializable,
		AccessMode: pgx.ReadOnly})
	check(err)
	_, err = tx.Exec(ctx, "DELETE FROM accounts")
	sqlstate(err, "25006")
	check(tx.Rollback(ctx))
}

func errorFields(ctx context.Context, db *pgx.Conn) {
	execute(ctx, db, "CREATE TABLE parents (id int PRIMARY KEY)",
		"CREATE TABLE children (id int PRIMARY KEY, parent int NOT NULL REFERENCES parents)")
	_, err := db.Exec(ctx, "INSERT INTO children VALUES ($1, $2)", 1, 7)
	sqlstate(err, "23503")
	_, err = db.Exec(ctx, "INSERT INTO children VALUES ($1, $2)", 1, nil)
	sqlstate(err, "23502")
	_, err = db.Exec(ctx, "SELEC 1")
	sqlstate(err, "42601")
	_, err = db.Exec(ctx, "SELECT * FROM not_there WHERE a = $1", 1)
	sqlstate(err, "42P01")
	_, err = db.Exec(ctx, "CREATE TABLE parents (id int)")
	sqlstate(err, "42P07")
	same(db.Ping(ctx), nil)
}

// ---- many at once ----

func batch(ctx context.Context, db *pgx.Conn) {
	execute(ctx, db, "CREATE TABLE batches (a int PRIMARY KEY, b text)")
	queue := &pgx.Batch{}
	for i := 0; i < 200; i++ {
		queue.Queue("INSERT INTO batches VALUES ($1, $2)", i, fmt.Sprint(i))
	}
	queue.Queue("SELECT count(*) FROM batches")
	results := db.SendBatch(ctx, queue)
	for i := 0; i < 200; i++ {
		tag, err := results.Exec()
		check(err)
		same(tag.RowsAffected(), int64(1))
	}
	var n int64
	check(results.QueryRow().Scan(&n))
	same(n, int64(200))
	check(results.Close())

	queue = &pgx.Batch{} // a batch is a transaction: none of it stays
	queue.Queue("INSERT INTO batches VALUES ($1, $2)", 1000, "x")
	queue.Queue("INSERT INTO batches VALUES ($1, $2)", 5, "again")
	sqlstate(db.SendBatch(ctx, queue).Close(), "23505")
	same(count(ctx, db, "batches"), int64(200))
}

func pipeline(ctx context.Context, db *pgx.Conn) {
	p := db.PgConn().StartPipeline(ctx)
	for i := 0; i < 3; i++ {
		p.SendQueryParams("SELECT $1::int4 + 1", [][]byte{[]byte(fmt.Sprint(i))}, nil, nil, nil)
	}
	check(p.Sync())
	for i := 0; i < 3; i++ {
		answer, err := p.GetResults()
		check(err)
		result := answer.(*pgconn.ResultReader).Read()
		check(result.Err)
		same(string(result.Rows[0][0]), fmt.Sprint(i+1))
	}
	_, err := p.GetResults()
	check(err)
	check(p.Close())
}

func copyFrom(ctx context.Context, db *pgx.Conn) {
	execute(ctx, db, "CREATE TABLE copied (a int, b text, c timestamptz, d numeric(10,2), "+
		"e boolean, f bytea, g uuid, h float8, i bigint, j jsonb, k date)")
	moment := time.Date(2024, 2, 29, 1, 2, 3, 0, time.UTC)
	var d pgtype.Numeric
	check(d.Scan("12.50"))
	source := [][]any{
		{1, "one", moment, d, true, []byte{0, 255}, [16]byte{1, 2}, 0.5, int64(1) << 40,
			map[string]any{"x": 1.0}, moment},
		{2, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil},
	}
	columns := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"}
	n, err := db.CopyFrom(ctx, pgx.Identifier{"copied"}, columns, pgx.CopyFromRows(source))
	check(err)
	same(n, int64(2))
	var b, g string
	var c time.Time
	var e bool
	var f []byte
	var h, amount float64
	check(db.QueryRow(ctx, "SELECT b, c, d, e, f, g, h FROM copied WHERE a = 1 AND i = $1",
		int64(1)<<40).Scan(&b, &c, &amount, &e, &f, &g, &h))
	same([]any{b, c.UTC(), amount, e, f, h}, []any{"one", moment, 12.5, true, []byte{0, 255}, 0.5})
	same(g, "01020000-0000-0000-0000-000000000000")
	_, err = db.CopyFrom(ctx, pgx.Identifier{"copied"}, []string{"a"},
		pgx.CopyFromSlice(3000, func(i int) ([]any, error) { return []any{i}, nil }))
	check(err)
	same(count(ctx, db, "copied"), int64(3002))

	var out bytes.Buffer
	_, err = db.PgConn().CopyTo(ctx, &out, "COPY (SELECT a, b FROM copied WHERE b = 'one') TO STDOUT")
	check(err)
	same(out.String(), "1\tone\n")
	tag, err := db.PgConn().CopyFrom(ctx, strings.NewReader("7,x\n"),
		"COPY copied (a, b) FROM STDIN WITH (FORMAT csv)")
	check(err)
	same(tag.String(), "COPY 1")
}

// ---- the rest ----

func pool(ctx context.Context, _ *pgx.Conn) {
	config, err := pgxpool.ParseConfig(base)
	check(err)
	config.MaxConns = 4
	p, err := pgxpool.NewWithConfig(ctx, config)
	check(err)
	defer p.Close()
	done := make(chan error)
	for i := 0; i < 40; i++ {
		go func() {
			var n int
			err := p.QueryRow(ctx, "SELECT $1::int4", i).Scan(&n)
			if err == nil && n != i {
				err = fmt.Errorf("got %d, wanted %d", n, i)
			}
			done <- err
		}()
	}
	for i := 0; i < 40; i++ {
		check(<-done)
	}
}

func cancel(ctx context.Context, db *pgx.Conn) {
	short, stop := context.WithTimeout(ctx, 200*time.Millisecond)
	defer stop()
	_, err := db.Exec(short, long)
	same(err != nil && short.Err() != nil, true) // pgx closes the connection
	other, err := pgx.Connect(ctx, base)
	check(err)
	defer other.Close(ctx)
	go func() {
		time.Sleep(200 * time.Millisecond)
		_ = other.PgConn().CancelRequest(ctx)
	}()
	_, err = other.Exec(ctx, long)
	sqlstate(err, "57014")
	execute(ctx, other, "SET statement_timeout = 200")
	_, err = other.Exec(ctx, long)
	sqlstate(err, "57014")
}

func loadTypes(ctx context.Context, db *pgx.Conn) {
	loaded, err := db.LoadType(ctx, "_uuid")
	check(err)
	same(loaded.OID, uint32(pgtype.UUIDArrayOID))
	several, err := db.LoadTypes(ctx, []string{"_uuid", "_int8"})
	check(err)
	same(len(several) >= 2, true)
}

func describe(ctx context.Context, db *pgx.Conn) {
	execute(ctx, db, "CREATE TABLE described (a int, b text)")
	d, err := db.Prepare(ctx, "d", "SELECT a, b FROM described WHERE b = $1 AND a > $2")
	check(err)
	same(d.ParamOIDs, []uint32{pgtype.TextOID, pgtype.Int4OID})
	same([]uint32{d.Fields[0].DataTypeOID, d.Fields[1].DataTypeOID},
		[]uint32{pgtype.Int4OID, pgtype.TextOID})
	same(d.Fields[0].Name, "a")
	same(d.Fields[0].TableOID != 0, true)
	same(d.Fields[1].TableAttributeNumber, uint16(2))
	check(db.Deallocate(ctx, "d"))
	execute(ctx, db, "ALTER TABLE described ADD COLUMN c int")
}

func changedTable(ctx context.Context, db *pgx.Conn) {
	execute(ctx, db, "CREATE TABLE changed (a int)", "INSERT INTO changed VALUES (1)")
	var a int
	check(db.QueryRow(ctx, "SELECT a FROM changed WHERE a = $1", 1).Scan(&a))
	execute(ctx, db, "ALTER TABLE changed ADD COLUMN b int DEFAULT 5")
	check(db.QueryRow(ctx, "SELECT a FROM changed WHERE a = $1", 1).Scan(&a))
	rows, err := db.Query(ctx, "SELECT b FROM changed WHERE a = $1", 1)
	check(err)
	b, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[int])
	check(err)
	same(b, 5)
}

var tests = []test{
	{"types", types("types_a")},
	{"json", jsonValues},
	{"arrays", arrays},
	{"mode_cache_statement", modes(pgx.QueryExecModeCacheStatement)},
	{"mode_cache_describe", modes(pgx.QueryExecModeCacheDescribe)},
	{"mode_describe_exec", modes(pgx.QueryExecModeDescribeExec)},
	{"mode_exec", modes(pgx.QueryExecModeExec)},
	{"mode_simple", modes(pgx.QueryExecModeSimpleProtocol)},
	{"transactions", transactions},
	{"errors", errorFields},
	{"batch", batch},
	{"pipeline", pipeline},
	{"copy", copyFrom},
	{"pool", pool},
	{"cancel", cancel},
	{"load_types", loadTypes},
	{"describe", describe},
	{"changed_table", changedTable},
}

func run(t test) (failure any) {
	ctx, stop := context.WithTimeout(context.Background(), 30*time.Second)
	defer stop()
	db, err := pgx.Connect(ctx, base)
	if err != nil {
		return err
	}
	defer db.Close(ctx)
	defer func() { failure = recover() }()
	t.body(ctx, db)
	return nil
}

func main() {
	base = fmt.Sprintf("host=%s port=%s dbname=%s user=%s password=none sslmode=disable",
		os.Args[1], os.Args[2], os.Args[3], os.Args[4])
	status := 0
	for _, t := range tests {
		if failure := run(t); failure != nil {
			fmt.Printf("failed %s: %v\n", t.name, failure)
			status = 1
		} else {
			fmt.Printf("ok %s\n", t.name)
		}
	}
	os.Exit(status)
}
