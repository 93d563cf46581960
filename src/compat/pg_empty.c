/* pg_catalog's tables about what SQLite has none of. They are here because clients join them. */
#include "compat/face.h"

#define TABLE(name, columns, nulls)                                                                \
    {                                                                                              \
        name, columns, "SELECT " nulls " WHERE 0"                                                  \
    }
#define N4 "NULL, NULL, NULL, NULL"
#define N8 N4 ", " N4
#define N16 N8 ", " N8

const weir_face_table weir_face_empty[] = {
    TABLE("pg_shdescription", "objoid" T_OID ", classoid" T_OID ", description" T_TEXT,
          "NULL, NULL, NULL"),
    TABLE("pg_inherits",
          "inhrelid" T_OID ", inhparent" T_OID ", inhseqno" T_INT4 ", inhdetachpending" T_BOOL, N4),
    TABLE("pg_auth_members",
          "roleid" T_OID ", member" T_OID ", grantor" T_OID ", admin_option" T_BOOL, N4),
    TABLE("pg_policy",
          "oid" T_OID ", polname" T_NAME ", polrelid" T_OID ", polcmd" T_CHAR
          ", polpermissive" T_BOOL ", polroles" T_OIDS ", polqual" T_NODE ", polwithcheck" T_NODE,
          N8),
    TABLE("pg_statistic_ext",
          "oid" T_OID ", stxrelid" T_OID ", stxname" T_NAME ", stxnamespace" T_OID
          ", stxowner" T_OID ", stxstattarget" T_INT4 ", stxkeys" T_INT2VECTOR ", stxkind" T_CHARS
          ", stxexprs" T_NODE,
          N8 ", NULL"),
    TABLE("pg_publication",
          "oid" T_OID ", pubname" T_NAME ", pubowner" T_OID ", puballtables" T_BOOL
          ", pubinsert" T_BOOL ", pubupdate" T_BOOL ", pubdelete" T_BOOL ", pubtruncate" T_BOOL
          ", pubviaroot" T_BOOL,
          N8 ", NULL"),
    TABLE("pg_publication_rel",
          "oid" T_OID ", prpubid" T_OID ", prrelid" T_OID ", prqual" T_NODE
          ", prattrs" T_INT2VECTOR,
          N4 ", NULL"),
    TABLE("pg_publication_namespace", "oid" T_OID ", pnpubid" T_OID ", pnnspid" T_OID,
          "NULL, NULL, NULL"),
    TABLE("pg_partitioned_table",
          "partrelid" T_OID ", partstrat" T_CHAR ", partnatts" T_INT2 ", partdefid" T_OID
          ", partattrs" T_INT2VECTOR ", partclass" T_OIDVECTOR ", partcollation" T_OIDVECTOR
          ", partexprs" T_NODE,
          N8),
    TABLE("pg_foreign_table", "ftrelid" T_OID ", ftserver" T_OID ", ftoptions" T_TEXTS,
          "NULL, NULL, NULL"),
    TABLE("pg_foreign_server",
          "oid" T_OID ", srvname" T_NAME ", srvowner" T_OID ", srvfdw" T_OID ", srvtype" T_TEXT
          ", srvversion" T_TEXT ", srvacl" T_ACLS ", srvoptions" T_TEXTS,
          N8),
    TABLE("pg_proc",
          "oid" T_OID ", proname" T_NAME ", pronamespace" T_OID ", proowner" T_OID ", prolang" T_OID
          ", procost" T_FLOAT4 ", prorows" T_FLOAT4 ", provariadic" T_OID ", prosupport" T_TEXT
          ", prokind" T_CHAR ", prosecdef" T_BOOL ", proleakproof" T_BOOL ", proisstrict" T_BOOL
          ", proretset" T_BOOL ", provolatile" T_CHAR ", proparallel" T_CHAR ", pronargs" T_INT2
          ", pronargdefaults" T_INT2 ", prorettype" T_OID ", proargtypes" T_OIDVECTOR
          ", proallargtypes" T_OIDS ", proargmodes" T_CHARS ", proargnames" T_TEXTS
          ", proargdefaults" T_NODE ", protrftypes" T_OIDS ", prosrc" T_TEXT ", probin" T_TEXT
          ", prosqlbody" T_NODE ", proconfig" T_TEXTS ", proacl" T_ACLS,
          N16 ", " N8 ", " N4 ", NULL, NULL"),
    TABLE("pg_aggregate", "aggfnoid" T_OID ", aggkind" T_CHAR ", aggnumdirectargs" T_INT2,
          "NULL, NULL, NULL"),
    TABLE("pg_cast",
          "oid" T_OID ", castsource" T_OID ", casttarget" T_OID ", castfunc" T_OID
          ", castcontext" T_CHAR ", castmethod" T_CHAR,
          N4 ", NULL, NULL"),
    TABLE("pg_range",
          "rngtypid" T_OID ", rngsubtype" T_OID ", rngmultitypid" T_OID ", rngcollation" T_OID
          ", rngsubopc" T_OID ", rngcanonical" T_OID ", rngsubdiff" T_OID,
          N4 ", NULL, NULL, NULL"),
    TABLE("pg_extension",
          "oid" T_OID ", extname" T_NAME ", extowner" T_OID ", extnamespace" T_OID
          ", extrelocatable" T_BOOL ", extversion" T_TEXT ", extconfig" T_OIDS
          ", extcondition" T_TEXTS,
          N8),
    TABLE("pg_available_extensions",
          "name" T_NAME ", default_version" T_TEXT ", installed_version" T_TEXT ", comment" T_TEXT,
          N4),
    TABLE("pg_matviews",
          "schemaname" T_NAME ", matviewname" T_NAME ", matviewowner" T_NAME ", tablespace" T_NAME
          ", hasindexes" T_BOOL ", ispopulated" T_BOOL ", definition" T_TEXT,
          N4 ", NULL, NULL, NULL"),
    TABLE("pg_event_trigger",
          "oid" T_OID ", evtname" T_NAME ", evtevent" T_NAME ", evtowner" T_OID ", evtfoid" T_OID
          ", evtenabled" T_CHAR ", evttags" T_TEXTS,
          N4 ", NULL, NULL, NULL"),
    TABLE("pg_seclabel",
          "objoid" T_OID ", classoid" T_OID ", objsubid" T_INT4 ", provider" T_TEXT
          ", label" T_TEXT,
          N4 ", NULL"),
    TABLE("pg_opfamily",
          "oid" T_OID ", opfmethod" T_OID ", opfname" T_NAME ", opfnamespace" T_OID
          ", opfowner" T_OID ", tableoid" T_OID,
          N4 ", NULL, NULL"),
    TABLE("pg_conversion",
          "oid" T_OID ", conname" T_NAME ", connamespace" T_OID ", conowner" T_OID
          ", conforencoding" T_INT4 ", contoencoding" T_INT4 ", conproc" T_TEXT
          ", condefault" T_BOOL,
          N8),
    TABLE("pg_default_acl",
          "oid" T_OID ", defaclrole" T_OID ", defaclnamespace" T_OID ", defaclobjtype" T_CHAR
          ", defaclacl" T_ACLS,
          N4 ", NULL"),
    TABLE("pg_user_mapping", "oid" T_OID ", umuser" T_OID ", umserver" T_OID ", umoptions" T_TEXTS,
          N4),
    TABLE("pg_user_mappings",
          "umid" T_OID ", srvid" T_OID ", srvname" T_NAME ", umuser" T_OID ", usename" T_NAME
          ", umoptions" T_TEXTS,
          N4 ", NULL, NULL"),
    TABLE("pg_ts_config",
          "oid" T_OID ", cfgname" T_NAME ", cfgnamespace" T_OID ", cfgowner" T_OID
          ", cfgparser" T_OID,
          N4 ", NULL"),
    TABLE("pg_ts_config_map",
          "mapcfg" T_OID ", maptokentype" T_INT4 ", mapseqno" T_INT4 ", mapdict" T_OID, N4),
    TABLE("pg_ts_dict",
          "oid" T_OID ", dictname" T_NAME ", dictnamespace" T_OID ", dictowner" T_OID
          ", dicttemplate" T_OID ", dictinitoption" T_TEXT,
          N4 ", NULL, NULL"),
    TABLE("pg_ts_parser",
          "oid" T_OID ", prsname" T_NAME ", prsnamespace" T_OID ", prsstart" T_TEXT
          ", prstoken" T_TEXT ", prsend" T_TEXT ", prsheadline" T_TEXT ", prslextype" T_TEXT,
          N8),
    TABLE("pg_ts_template",
          "oid" T_OID ", tmplname" T_NAME ", tmplnamespace" T_OID ", tmplinit" T_TEXT
          ", tmpllexize" T_TEXT,
          N4 ", NULL"),
    TABLE("pg_db_role_setting", "setdatabase" T_OID ", setrole" T_OID ", setconfig" T_TEXTS,
          "NULL, NULL, NULL"),
    TABLE("pg_subscription",
          "oid" T_OID ", subdbid" T_OID ", subskiplsn" T_TEXT ", subname" T_NAME ", subowner" T_OID
          ", subenabled" T_BOOL ", subbinary" T_BOOL ", substream" T_BOOL
          ", subtwophasestate" T_CHAR ", subdisableonerr" T_BOOL ", subconninfo" T_TEXT
          ", subslotname" T_NAME ", subsynccommit" T_TEXT ", subpublications" T_TEXTS,
          N8 ", " N4 ", NULL, NULL"),
    TABLE("pg_amop",
          "oid" T_OID ", amopfamily" T_OID ", amoplefttype" T_OID ", amoprighttype" T_OID
          ", amopstrategy" T_INT2 ", amoppurpose" T_CHAR ", amopopr" T_OID ", amopmethod" T_OID
          ", amopsortfamily" T_OID,
          N8 ", NULL"),
    TABLE("pg_amproc",
          "oid" T_OID ", amprocfamily" T_OID ", amproclefttype" T_OID ", amprocrighttype" T_OID
          ", amprocnum" T_INT2 ", amproc" T_TEXT,
          N4 ", NULL, NULL"),
    TABLE("pg_largeobject_metadata", "oid" T_OID ", lomowner" T_OID ", lomacl" T_ACLS,
          "NULL, NULL, NULL"),
    TABLE("pg_transform",
          "oid" T_OID ", trftype" T_OID ", trflang" T_OID ", trffromsql" T_TEXT ", trftosql" T_TEXT,
          N4 ", NULL"),
    TABLE("pg_shdepend",
          "dbid" T_OID ", classid" T_OID ", objid" T_OID ", objsubid" T_INT4 ", refclassid" T_OID
          ", refobjid" T_OID ", deptype" T_CHAR,
          N4 ", NULL, NULL, NULL"),
    TABLE("pg_operator",
          "oid" T_OID ", oprname" T_NAME ", oprnamespace" T_OID ", oprowner" T_OID
          ", oprkind" T_CHAR ", oprcanmerge" T_BOOL ", oprcanhash" T_BOOL ", oprleft" T_OID
          ", oprright" T_OID ", oprresult" T_OID ", oprcom" T_OID ", oprnegate" T_OID
          ", oprcode" T_TEXT ", oprrest" T_TEXT ", oprjoin" T_TEXT,
          N8 ", " N4 ", NULL, NULL, NULL"),
    TABLE("pg_rules",
          "schemaname" T_NAME ", tablename" T_NAME ", rulename" T_NAME ", definition" T_TEXT, N4),
    TABLE("pg_opclass",
          "oid" T_OID ", opcmethod" T_OID ", opcname" T_NAME ", opcnamespace" T_OID
          ", opcowner" T_OID ", opcfamily" T_OID ", opcintype" T_OID ", opcdefault" T_BOOL
          ", opckeytype" T_OID ", tableoid" T_OID,
          N8 ", NULL, NULL"),
    TABLE("pg_foreign_data_wrapper",
          "oid" T_OID ", fdwname" T_NAME ", fdwowner" T_OID ", fdwhandler" T_OID
          ", fdwvalidator" T_OID ", fdwacl" T_ACLS ", fdwoptions" T_TEXTS,
          N4 ", NULL, NULL, NULL"),
    TABLE("pg_init_privs",
          "objoid" T_OID ", classoid" T_OID ", objsubid" T_INT4 ", privtype" T_CHAR
          ", initprivs" T_ACLS,
          N4 ", NULL"),
    TABLE("pg_parameter_acl", "oid" T_OID ", parname" T_TEXT ", paracl" T_ACLS, "NULL, NULL, NULL"),
    TABLE("pg_shseclabel", "objoid" T_OID ", classoid" T_OID ", provider" T_TEXT ", label" T_TEXT,
          N4),
    TABLE("pg_statistic_ext_data",
          "stxoid" T_OID ", stxdinherit" T_BOOL ", stxdndistinct" T_TEXT ", stxddependencies" T_TEXT
          ", stxdmcv" T_TEXT ", stxdexpr" T_TEXT,
          N4 ", NULL, NULL"),
    {NULL, NULL, NULL},
};
