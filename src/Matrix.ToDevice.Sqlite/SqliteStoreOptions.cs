namespace Matrix.ToDevice;

/// <summary>Settings of the SQLite store.</summary>
public sealed class SqliteStoreOptions
{
    /// <summary>
    /// The connection string of Microsoft.Data.Sqlite, for example <c>Data Source=todevice.db</c>. It must name a file; the
    /// file is made when it does not exist, its folder is not. The tables' names start with <c>to_device_</c>.
    /// </summary>
    public string ConnectionString { get; set; } = "";

    /// <summary>What has to happen before a send is answered. Default: <see cref="SqliteDurability.Full"/>.</summary>
    public SqliteDurability Durability { get; set; } = SqliteDurability.Full;

    /// <summary>
    /// How large the write-ahead log may grow before it is written into the database file, in bytes. Larger means fewer
    /// and longer pauses. Default: 32 MiB.
    /// </summary>
    public int CheckpointBytes { get; set; } = 32 << 20;

    /// <summary>The page cache of the writer, in bytes. Default: 64 MiB.</summary>
    public int CacheBytes { get; set; } = 64 << 20;

    /// <summary>How long to wait for another program that has the file locked, a backup tool for example. Default: 5 seconds.</summary>
    public TimeSpan BusyTimeout { get; set; } = TimeSpan.FromSeconds(5);
}

/// <summary>What has to happen before a send is answered.</summary>
public enum SqliteDurability
{
    /// <summary>
    /// <c>synchronous=FULL</c>: the commit is on the disk. Survives a crash of the process, of the operating system, and
    /// the loss of power.
    /// </summary>
    Full,

    /// <summary>
    /// <c>synchronous=NORMAL</c>: the commit is with the operating system. Survives a crash of the process; a crash of the
    /// operating system or the loss of power can lose the last accepted sends, but never a part of one.
    /// </summary>
    Normal,
}
