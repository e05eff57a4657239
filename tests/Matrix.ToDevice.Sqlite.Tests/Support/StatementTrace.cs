using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Matrix.ToDevice.Tests;

/// <summary>
/// Which statements SQLite runs on a file, on whatever connection and thread, from its next connection on: SQLite calls here whenever
/// one is opened, and then for each statement.
/// </summary>
internal sealed unsafe partial class StatementTrace : IDisposable
{
    private const uint TraceStatements = 1;

    private static readonly ConcurrentDictionary<string, StatementTrace> s_traces = new();

    private readonly string _path;
    private readonly ConcurrentQueue<string> _statements = new();

    public StatementTrace(string path)
    {
        _path = path;
        s_traces[path] = this;
        // Once is enough, and more often does no harm.
        _ = AutoExtension(&OnOpened);
    }

    /// <summary>What was run since the last call: the first words of each statement.</summary>
    public List<string> Take()
    {
        var taken = new List<string>();
        while (_statements.TryDequeue(out var statement)) taken.Add(statement);
        return taken;
    }

    public void Dispose()
    {
        s_traces.TryRemove(_path, out _);
        if (s_traces.IsEmpty) _ = CancelAutoExtension(&OnOpened);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnOpened(nint database, nint error, nint functions)
    {
        if (Find(database) is not null) _ = Trace(database, TraceStatements, &OnStatement, 0);
        return 0;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnStatement(uint what, nint context, nint statement, nint sql)
    {
        Find(DatabaseOf(statement))?._statements.Enqueue(Marshal.PtrToStringUTF8(sql)!.ReplaceLineEndings(" "));
        return 0;
    }

    private static StatementTrace? Find(nint database) =>
        s_traces.GetValueOrDefault(Marshal.PtrToStringUTF8(FileName(database, "main")) ?? "");

    [LibraryImport("e_sqlite3", EntryPoint = "sqlite3_auto_extension")]
    private static partial int AutoExtension(delegate* unmanaged[Cdecl]<nint, nint, nint, int> entryPoint);

    [LibraryImport("e_sqlite3", EntryPoint = "sqlite3_cancel_auto_extension")]
    private static partial int CancelAutoExtension(delegate* unmanaged[Cdecl]<nint, nint, nint, int> entryPoint);

    [LibraryImport("e_sqlite3", EntryPoint = "sqlite3_trace_v2")]
    private static partial int Trace(nint database, uint mask, delegate* unmanaged[Cdecl]<uint, nint, nint, nint, int> callback, nint context);

    [LibraryImport("e_sqlite3", EntryPoint = "sqlite3_db_filename", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint FileName(nint database, string name);

    [LibraryImport("e_sqlite3", EntryPoint = "sqlite3_db_handle")]
    private static partial nint DatabaseOf(nint statement);
}
