using Npgsql;

namespace Matrix.ToDevice;

/// <summary>Settings of the PostgreSQL store. Without a data source and a connection string, the application's <see cref="NpgsqlDataSource"/> is used.</summary>
public sealed class PostgreSqlStoreOptions
{
    /// <summary>Npgsql's connection string, for example <c>Host=db;Database=matrix;Username=matrix;Password=…</c>.</summary>
    public string? ConnectionString { get; set; }

    /// <summary>The host's own data source. It stays the host's: the store does not dispose it.</summary>
    public NpgsqlDataSource? DataSource { get; set; }

    /// <summary>
    /// The database schema of the tables, whose names start with <c>to_device_</c>. At most 50 bytes, and not one of
    /// PostgreSQL's own, which begin with <c>pg_</c>. Default: <c>to_device</c>.
    /// </summary>
    public string Schema { get; set; } = "to_device";

    /// <summary>
    /// How the tables are laid out: for one machine, or for many. A schema that has another layout is refused at start.
    /// Default: <see cref="PostgreSqlLayout.OneMachine"/>.
    /// </summary>
    public PostgreSqlLayout Layout { get; set; }

    /// <summary>
    /// Whether the tables are made and brought up to date at start. When false, run the package's <c>schema/*.sql</c>
    /// files yourself, with <c>search_path</c> set to the schema; the start then only checks. Default: true.
    /// </summary>
    public bool Migrate { get; set; } = true;

    /// <summary>
    /// How many commits of this host may be under way at once, 1 to 16; each takes as many sends as wait. In the layouts for many machines,
    /// each takes a part of one send: four times as many may be under way there. Default: 2.
    /// </summary>
    public int Writers { get; set; } = 2;

    /// <summary>
    /// Whether statements are prepared on the server. By default they are where connections lead straight to it, and not
    /// through a pooler, which may not carry them over. True for a pooler that does. On Citus they are not.
    /// </summary>
    public bool? PrepareStatements { get; set; }

    /// <summary>
    /// Whether hosts wake each other's waiting syncs with <c>NOTIFY</c>. When they do not, a sync finds what another host
    /// accepted at its next look (<c>SendToDeviceOptions.SyncPollInterval</c>). By default they do where connections lead
    /// straight to the server, and not through a pooler, where a <c>LISTEN</c> may stay behind on somebody else's connection.
    /// True for a pooler that leaves a client its connection (session mode).
    /// </summary>
    public bool? Notifications { get; set; }
}
