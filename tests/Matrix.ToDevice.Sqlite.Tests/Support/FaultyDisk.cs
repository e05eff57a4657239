namespace Matrix.ToDevice.Tests;

/// <summary>What goes wrong on a <see cref="FaultyDisk"/>.</summary>
public enum DiskFault
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>No room: a write is done as far as it fits, then fails.</summary>
    Full,

    /// <summary>A write fails in its middle.</summary>
    Write,

    /// <summary>
    /// A sync fails. As on Linux, some of what it should have saved is then taken for saved: a later sync that succeeds
    /// does not save it.
    /// </summary>
    Sync,
}

/// <summary>
/// A disk that can lose its power and be full or broken, as a SQLite VFS around the real one. SQLite reads and writes
/// real files; beside them stands what of each would survive a loss of power: what was synced, and of the rest whatever
/// chance has it.
/// </summary>
internal sealed class FaultyDisk : IDisposable
{
    private static int s_disks;

    private readonly Dictionary<string, DiskFile> _files = [];
    // Deleted, but the folder has not been synced since: they may come back.
    private readonly Dictionary<string, DiskFile> _ghosts = [];
    private readonly List<(long Operation, bool OnlySync, Action Action)> _plans = [];
    private readonly Random _random;
    private readonly FaultyDiskVfs _vfs;
    private DiskFault _fault;
    private string _faultyFile = "";
    private long _room;

    public FaultyDisk(int seed = 1)
    {
        _random = new Random(seed);
        Name = $"faulty-{Interlocked.Increment(ref s_disks)}";
        _vfs = new FaultyDiskVfs(this);
    }

    /// <summary>The VFS's name, for the connection string.</summary>
    public string Name { get; }

    /// <summary>How many files SQLite has open.</summary>
    public int OpenFiles { get; internal set; }

    /// <summary>How many writes, truncates and syncs there have been.</summary>
    public long Operations { get; private set; }

    /// <summary>How many of them failed.</summary>
    public long Failures { get; private set; }

    /// <summary>Held during every operation.</summary>
    internal Lock Gate { get; } = new();

    /// <summary>A store on this disk.</summary>
    public SqliteStores Open(string path, Action<SqliteStoreOptions>? configure = null) => SqliteStores.Open(path, options =>
    {
        options.ConnectionString = $"Data Source={path};Vfs={Name}";
        configure?.Invoke(options);
    });

    /// <summary>Everything fails like this from now on, or everything in files whose names end so.</summary>
    public void Fail(DiskFault fault, string file = "", long room = 0)
    {
        lock (Gate) (_fault, _faultyFile, _room) = (fault, file, room);
    }

    public void Mend() => Fail(DiskFault.None);

    /// <summary>Does something right before the operation that comes so many operations from now, on its thread.</summary>
    public Task<T> AfterAsync<T>(int operations, Func<T> action) => PlanAsync(operations, onlySync: false, action);

    /// <summary>Does something right before the next sync, on its thread.</summary>
    public Task<T> BeforeSyncAsync<T>(Func<T> action) => PlanAsync(0, onlySync: true, action);

    /// <summary>The power goes: writes what is left of a database, as one that lies elsewhere.</summary>
    public void CutPower(string path, string image, int seed)
    {
        var random = new Random(seed);
        lock (Gate)
        {
            foreach (var suffix in (ReadOnlySpan<string>)["", "-wal", "-journal"])
            {
                var survivor = _files.GetValueOrDefault(path + suffix);
                if (survivor is not { HasName: true } && random.Next(2) == 0) survivor = null;
                if (survivor is null && random.Next(2) == 0) survivor = _ghosts.GetValueOrDefault(path + suffix);
                if (survivor is not null) File.WriteAllBytes(image + suffix, survivor.AfterPowerLoss(random));
            }
        }
    }

    /// <summary>The power goes at the worst moment for what was not synced: none of it is left.</summary>
    public void CutPowerAtItsWorst(string path, string image)
    {
        lock (Gate)
        {
            foreach (var suffix in (ReadOnlySpan<string>)["", "-wal", "-journal"])
            {
                if (_files.GetValueOrDefault(path + suffix) is { HasName: true } file) File.WriteAllBytes(image + suffix, file.Synced());
            }
        }
    }

    /// <summary>
    /// The process goes, the machine stays: a copy of the database with everything that was written, of which only the
    /// synced part would survive a loss of power.
    /// </summary>
    public void KillProcess(string path, string copy)
    {
        lock (Gate)
        {
            foreach (var suffix in (ReadOnlySpan<string>)["", "-wal", "-journal"])
            {
                if (!_files.TryGetValue(path + suffix, out var file)) continue;
                File.Copy(path + suffix, copy + suffix);
                _files[copy + suffix] = file.Copy(copy + suffix);
            }
        }
    }

    public void Dispose() => _vfs.Dispose();

    /// <summary>An operation is about to begin.</summary>
    internal void Announce(bool isSync)
    {
        List<Action> due = [];
        lock (Gate)
        {
            Operations++;
            for (var i = _plans.Count - 1; i >= 0; i--)
            {
                if (_plans[i].Operation > Operations || (_plans[i].OnlySync && !isSync)) continue;
                due.Add(_plans[i].Action);
                _plans.RemoveAt(i);
            }
        }

        foreach (var action in due) action();
    }

    internal DiskFile OnOpen(string path)
    {
        if (!_files.TryGetValue(path, out var file))
            _files[path] = file = File.Exists(path) ? new DiskFile(path, File.ReadAllBytes(path), hasName: true) : new DiskFile(path, [], hasName: false);
        return file;
    }

    /// <summary>How much of a write is done, and with what result.</summary>
    internal (int Bytes, int Result) OnWrite(DiskFile file, int bytes)
    {
        var fault = FaultOf(file);
        var fits = fault switch
        {
            DiskFault.Full => (int)Math.Min(bytes, _room),
            DiskFault.Write => bytes / 2,
            _ => bytes,
        };
        if (fault == DiskFault.Full) _room -= fits;
        if (fits == bytes) return (bytes, FaultyDiskVfs.Ok);
        Failures++;
        return (fits, fault == DiskFault.Full ? FaultyDiskVfs.Full : FaultyDiskVfs.WriteError);
    }

    internal int OnSync(DiskFile file, bool withFolder)
    {
        if (FaultOf(file) == DiskFault.Sync)
        {
            Failures++;
            file.FailSync(_random);
            return FaultyDiskVfs.SyncError;
        }

        file.Sync();
        if (withFolder) SyncFolder();
        return FaultyDiskVfs.Ok;
    }

    internal void OnDelete(string path, bool withFolder)
    {
        if (_files.Remove(path, out var file) && file.HasName) _ghosts[path] = file;
        if (withFolder) SyncFolder();
    }

    private DiskFault FaultOf(DiskFile file) =>
        file.Path.EndsWith(_faultyFile, StringComparison.Ordinal) ? _fault : DiskFault.None;

    private void SyncFolder()
    {
        foreach (var file in _files.Values) file.HasName = true;
        _ghosts.Clear();
    }

    private Task<T> PlanAsync<T>(int operations, bool onlySync, Func<T> action)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (Gate) _plans.Add((Operations + operations, onlySync, Act));
        return done.Task;

        void Act()
        {
            try
            {
                done.SetResult(action());
            }
            catch (Exception exception)
            {
                done.SetException(exception);
            }
        }
    }
}
