using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Matrix.ToDevice.Bench;

/// <summary>
/// A SQLite VFS named <see cref="Name"/>: the platform's own, but every sync takes two milliseconds more, as on a disk
/// across a network or one that turns.
/// </summary>
internal static unsafe partial class SlowDisk
{
    public const string Name = "slow";

    private static readonly TimeSpan s_delay = TimeSpan.FromMilliseconds(2);
    private static readonly Vfs* s_real = Find(null);
    private static readonly Dictionary<nint, nint> s_methods = [];
    private static delegate* unmanaged[Cdecl]<SqliteFile*, int, int> s_realSync;

    public static void Register()
    {
        var slow = (Vfs*)NativeMemory.Alloc((nuint)sizeof(Vfs));
        *slow = *s_real;
        slow->Next = null;
        slow->Name = (byte*)Marshal.StringToCoTaskMemUTF8(Name);
        slow->Open = &Open;
        if (Register(slow, 0) != 0) throw new InvalidOperationException("SQLite refused the VFS.");
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Open(Vfs* vfs, byte* name, SqliteFile* file, int flags, int* outFlags)
    {
        var result = s_real->Open(s_real, name, file, flags, outFlags);
        if (result != 0) return result;

        file->Methods = MethodsFor(file->Methods);
        return 0;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Sync(SqliteFile* file, int flags)
    {
        Thread.Sleep(s_delay);
        return s_realSync(file, flags);
    }

    /// <summary>The real VFS has a table for each way of locking; all sync alike.</summary>
    private static Methods* MethodsFor(Methods* real)
    {
        lock (s_methods)
        {
            if (s_methods.TryGetValue((nint)real, out var known)) return (Methods*)known;
            s_realSync = real->Sync;
            var methods = (Methods*)NativeMemory.Alloc((nuint)sizeof(Methods));
            *methods = *real;
            methods->Sync = &Sync;
            s_methods.Add((nint)real, (nint)methods);
            return methods;
        }
    }

    [LibraryImport("e_sqlite3", EntryPoint = "sqlite3_vfs_find")]
    private static partial Vfs* Find(byte* name);

    [LibraryImport("e_sqlite3", EntryPoint = "sqlite3_vfs_register")]
    private static partial int Register(Vfs* vfs, int makeDefault);

#pragma warning disable CS0649 // SQLite fills these structures in.
    /// <summary>sqlite3_file.</summary>
    private struct SqliteFile
    {
        public Methods* Methods;
    }

    /// <summary>sqlite3_io_methods, version 3.</summary>
    private struct Methods
    {
        public int Version;
        public nint Close, Read, Write, Truncate;
        public delegate* unmanaged[Cdecl]<SqliteFile*, int, int> Sync;
        public fixed long Others[13];
    }

    /// <summary>sqlite3_vfs, version 3.</summary>
    private struct Vfs
    {
        public int Version, FileBytes, MaxPath;
        public Vfs* Next;
        public byte* Name;
        public void* AppData;
        public delegate* unmanaged[Cdecl]<Vfs*, byte*, SqliteFile*, int, int*, int> Open;
        public fixed long Others[15];
    }
#pragma warning restore CS0649
}
