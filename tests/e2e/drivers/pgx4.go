// What programs do with pgx 4, which Debian has, each case on its own: prints "ok NAME" or
// "failed NAME: why". pgx.go has the same and more for version 5.
// usage: go run pgx4.go HOST PORT DATABASE USER
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgtype"
	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/pgxpool"
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

func same(got, wanted interface{}) {
	if !reflect.DeepEqual(got, wanted) {
		panic(fmt.Errorf("got %#v, wanted %#v", got, wanted))
	}
}

func sqlstate(err error, wanted string) *pgconn.PgError {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		panic(fmt.Errorf("got %v, wanted %s", err, wanted))
	}
	if pgErr.Code != wanted {
		panic(fmt.Errorf("got %s (%s), wanted %s", pgErr.Code, pgErr.Message, wanted))
	}
	return pgErr
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

func types(ctx context.Context, db *pgx.Conn) {
	execute(ctx, db, "CREATE TABLE types4 (a int2, b int4, c int8, e float8, f numeric(10,4), "+
		"g text, h varchar(20), i boolean, j date, k timestamp, l timestamptz, m uuid, n bytea, "+
		"o jsonb, p text[], q int[])")
	moment := time.Date(2024, 2, 29, 1, 2, 3, 4000000, time.UTC)
	day := time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)
	tags, numbers := []string{"a", "b c", "\"q\"", "x,y"}, []int32{1, 2, 3}
	document := map[string]interface{}{"x": "y", "z": []interface{}{1.0, nil}}
	insert := "INSERT INTO types4 VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16)"
	tag, err := db.Exec(ctx, insert, int16(7), int32(42), int64(1)<<62, 0.1, "123.4500",
		"h\u00e9llo", "short", true, day, moment, moment, [16]byte{1, 2, 3, 0xff},
		[]byte{0, 1, 255}, document, tags, numbers)
	check(err)
	same(tag.String(), "INSERT 0 1")
	_, err = db.Exec(ctx, insert, make([]interface{}, 16)...)
	check(err)
	var (
		a          int16
		b          int32
		c          int64
		e          float64
		f          pgtype.Numeric
		g, h       string
		i          bool
		j, k, l    time.Time
		m          pgtype.UUID
		n          []byte
		o          map[string]interface{}
		gotTags    []string
		gotNumbers []int32
	)
	check(db.QueryRow(ctx, "SELECT * FROM types4 WHERE a = $1", 7).Scan(&a, &b, &c, &e, &f, &g,
		&h, &i, &j, &k, &l, &m, &n, &o, &gotTags, &gotNumbers))
	var x float64
	check(f.AssignTo(&x))
	same([]interface{}{a, b, c, e, x, g, h, i}, []interface{}{int16(7), int32(42), int64(1) << 62,
		0.1, 123.45, "h\u00e9llo", "short", true})
	same([]time.Time{j, k, l.UTC()}, []time.Time{day, moment, moment})
	same(m.Bytes, [16]byte{1, 2, 3, 0xff})
	same(n, []byte{0, 1, 255})
	same(o, document)
	same(gotTags, tags)
	same(gotNumbers, numbers)
	rows, err := db.Query(ctx, "SELECT * FROM types4 WHERE a IS NULL")
	check(err)
	same(rows.Next(), true)
	values, err := rows.Values()
	check(err)
	same(values, make([]interface{}, 16))
	rows.Close()
	check(rows.Err())
}

func modes(options ...interface{}) func(context.Context, *pgx.Conn) {
	return func(ctx context.Context, db *pgx.Conn) {
		execute(ctx, db, "CREATE TABLE IF NOT EXISTS modes4 (a int, b text, c timestamptz)",
			"DELETE FROM modes4")
		moment := time.Date(2024, 2, 29, 1, 2, 3, 0, time.UTC)
		with := func(more ...interface{}) []interface{} {
			return append(append([]interface{}{}, options...), more...)
		}
		for i := 0; i < 5; i++ {
			_, err := db.Exec(ctx, "INSERT INTO modes4 VALUES ($1, $2, $3)",
				with(i, fmt.Sprintf("it's %d", i), moment)...)
			check(err)
		}
		var b string
		var c time.Time
		check(db.QueryRow(ctx, "SELECT b, c FROM modes4 WHERE a = $1", with(3)...).Scan(&b, &c))
		same(b, "it's 3")
		same(c.Equal(moment), true)
		_, err := db.Exec(ctx, "SELECT nothing FROM modes4", options...)
		sqlstate(err, "42703")
	}
}

// ---- transactions, errors ----

func transactions(ctx context.Context, db *pgx.Conn) {
	execute(ctx, db, "CREATE TABLE accounts4 (id int PRIMARY KEY, balance int)")
	check(db.BeginFunc(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO accounts4 VALUES ($1, $2)", 1, 10)
		check(err)
		inner, err := tx.Begin(ctx) // a savepoint
		check(err)
		_, err = inner.Exec(ctx, "INSERT INTO accounts4 VALUES (1, 1)")
		sqlstate(err, "23505")
		_, err = inner.Exec(ctx, "SELECT 1")
		sqlstate(err, "25P02")
		return inner.Rollback(ctx)
	}))
	same(count(ctx, db, "accounts4"), int64(1))
	tx, err := db.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.Serializable, AccessMode: pgx.ReadOnly})
	check(err)
	_, err = tx.Exec(ctx, "DELETE FROM accounts4")
	sqlstate(err, "25006")
	check(tx.Rollback(ctx))
}

func errorFields(ctx context.Context, db *pgx.Conn) {
	execute(ctx, db, "CREATE TABLE parents4 (id int PRIMARY KEY)",
		"CREATE TABLE children4 (id int PRIMARY KEY, parent int NOT NULL REFERENCES parents4)")
	_, err := db.Exec(ctx, "INSERT INTO children4 VALUES ($1, $2)", 1, 7)
	sqlstate(err, "23503")
	_, err = db.Exec(ctx, "INSERT INTO children4 VALUES ($1, $2)", 1, nil)
	sqlstate(err, "23502")
	_, err = db.Exec(ctx, "SELEC 1")
	sqlstate(err, "42601")
	_, err = db.Exec(ctx, "SELECT * FROM not_there WHERE a = $1", 1)
	sqlstate(err, "42P01")
	same(db.Ping(ctx), nil)
}

// ---- many at once ----

func batch(ctx context.Context, db *pgx.Conn) {
	execute(ctx, db, "CREATE TABLE batches4 (a int PRIMARY KEY, b text)")
	queue := &pgx.Batch{}
	for i := 0; i < 200; i++ {
		queue.Queue("INSERT INTO batches4 VALUES ($1, $2)", i, fmt.Sprint(i))
	}
	queue.Queue("SELECT count(*) FROM batches4")
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
	queue.Queue("INSERT INTO batches4 VALUES ($1, $2)", 1000, "x")
	queue.Queue("INSERT INTO batches4 VALUES ($1, $2)", 5, "again")
	results = db.SendBatch(ctx, queue)
	_, err := results.Exec()
	check(err)
	_, err = results.Exec()
	sqlstate(err, "23505")
	results.Close()
	same(count(ctx, db, "batches4"), int64(200))
}

func copyFrom(ctx context.Context, db *pgx.Conn) {
	execute(ctx, db, "CREATE TABLE copied4 (a int, b text, c timestamptz, d numeric(10,2), "+
		"e boolean, f bytea, h float8, i bigint)")
	moment := time.Date(2024, 2, 29, 1, 2, 3, 0, time.UTC)
	source := [][]interface{}{
		{1, "one", moment, 12.5, true, []byte{0, 255}, 0.5, int64(1) << 40},
		{2, nil, nil, nil, nil, nil, nil, nil},
	}
	columns := []string{"a", "b", "c", "d", "e", "f", "h", "i"}
	n, err := db.CopyFrom(ctx, pgx.Identifier{"copied4"}, columns, pgx.CopyFromRows(source))
	check(err)
	same(n, int64(2))
	var out bytes.Buffer
	_, err = db.PgConn().CopyTo(ctx, &out,
		"COPY (SELECT a, b, d, e FROM copied4 WHERE b = 'one') TO STDOUT")
	check(err)
	same(out.String(), "1\tone\t12.50\tt\n")
	tag, err := db.PgConn().CopyFrom(ctx, strings.NewReader("7,x\n"),
		"COPY copied4 (a, b) FROM STDIN WITH (FORMAT csv)")
	check(err)
	same(tag.String(), "COPY 1")
}

// ---- the rest ----

func pool(ctx context.Context, _ *pgx.Conn) {
	config, err := pgxpool.ParseConfig(base)
	check(err)
	config.MaxConns = 4
	p, err := pgxpool.ConnectConfig(ctx, config)
	check(err)
	defer p.Close()
	done := make(chan error)
	for i := 0; i < 40; i++ {
		go func(i int) {
			var n int
			err := p.QueryRow(ctx, "SELECT $1::int4", i).Scan(&n)
			if err == nil && n != i {
				err = fmt.Errorf("got %d, wanted %d", n, i)
			}
			done <- err
		}(i)
	}
	for i := 0; i < 40; i++ {
		check(<-done)
	}
}

func listen(ctx context.Context, db *pgx.Conn) {
	execute(ctx, db, "LISTEN channel4")
	other, err := pgx.Connect(ctx, base)
	check(err)
	defer other.Close(ctx)
	_, err = other.Exec(ctx, "SELECT pg_notify($1, $2)", "channel4", "words")
	check(err)
	notification, err := db.WaitForNotification(ctx)
	check(err)
	same([]string{notification.Channel, notification.Payload}, []string{"channel4", "words"})
	same(notification.PID, other.PgConn().PID())
}

func cancel(ctx context.Context, db *pgx.Conn) {
	go func() {
		time.Sleep(200 * time.Millisecond)
		_ = db.PgConn().CancelRequest(ctx)
	}()
	_, err := db.Exec(ctx, long)
	sqlstate(err, "57014")
	execute(ctx, db, "SET statement_timeout = 200")
	_, err = db.Exec(ctx, long)
	sqlstate(err, "57014")
}

func describe(ctx context.Context, db *pgx.Conn) {
	execute(ctx, db, "CREATE TABLE described4 (a int, b text)")
	d, err := db.Prepare(ctx, "d", "SELECT a, b FROM described4 WHERE b = $1 AND a > $2")
	check(err)
	same(d.ParamOIDs, []uint32{pgtype.TextOID, pgtype.Int4OID})
	same([]uint32{d.Fields[0].DataTypeOID, d.Fields[1].DataTypeOID},
		[]uint32{pgtype.Int4OID, pgtype.TextOID})
	same(d.Fields[0].TableOID != 0, true)
	check(db.Deallocate(ctx, "d"))
}

func changedTable(ctx context.Context, db *pgx.Conn) {
	execute(ctx, db, "CREATE TABLE changed4 (a int)", "INSERT INTO changed4 VALUES (1)")
	var a, b int
	check(db.QueryRow(ctx, "SELECT a FROM changed4 WHERE a = $1", 1).Scan(&a))
	execute(ctx, db, "ALTER TABLE changed4 ADD COLUMN b int DEFAULT 5")
	check(db.QueryRow(ctx, "SELECT a FROM changed4 WHERE a = $1", 1).Scan(&a))
	check(db.QueryRow(ctx, "SELECT b FROM changed4 WHERE a = $1", 1).Scan(&b))
	same(b, 5)
}

var tests = []test{
	{"types", types},
	{"mode_prepared", modes()},
	{"mode_simple", modes(pgx.QuerySimpleProtocol(true))},
	{"transactions", transactions},
	{"errors", errorFields},
	{"batch", batch},
	{"copy", copyFrom},
	{"pool", pool},
	{"listen", listen},
	{"cancel", cancel},
	{"describe", describe},
	{"changed_table", changedTable},
}

func run(t test) (failure interface{}) {
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
