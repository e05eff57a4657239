using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Matrix.ToDevice.Tests;

/// <summary>
/// The native side of <see cref="FaultyDisk"/>: the platform's own VFS under another name. The real one opens a file in
/// place and fills in its table of methods; a copy of that table, in which four methods are ours, takes its place. So
/// everything else (reads, locks, shared memory) goes straight to the real one.
/// </summary>
internal sealed unsafe partial class FaultyDiskVfs : IDisposable
{
    public const int Ok = 0, Full = 13, WriteError = 10 | (3 << 8), SyncError = 10 | (4 << 8);

    private const int OpenCreate = 0x4, OpenJournals = 0x800 | 0x4000 | 0x80000;

    private static readonly Vfs* s_real = Find(null);
    private static readonly Dictionary<nint, nint> s_methods = [];

    private readonly Vfs* _vfs;

    public FaultyDiskVfs(FaultyDisk disk)
    {
        // Never freed: a connection that was lost track of may still be closed by its finalizer.
        _vfs = (Vfs*)NativeMemory.Alloc((nuint)sizeof(Vfs));
        *_vfs = *s_real;
        _vfs->FileBytes = ExtraOffset + sizeof(Extra);
        _vfs->Next = null;
        _vfs->Name = (byte*)Marshal.StringToCoTaskMemUTF8(disk.Name);
        _vfs->AppData = (void*)GCHandle.ToIntPtr(GCHandle.Alloc(disk));
        _vfs->Open = &Open;
        _vfs->Delete = &Delete;
        if (Register(_vfs, 0) != Ok) throw new InvalidOperationException("SQLite refused the VFS.");
    }

    private static int ExtraOffset => (s_real->FileBytes + 15) & ~15;

    public void Dispose() => _ = Unregister(_vfs);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Open(Vfs* vfs, byte* name, SqliteFile* file, int flags, int* outFlags)
    {
        var disk = (FaultyDisk)GCHandle.FromIntPtr((nint)vfs->AppData).Target!;
        lock (disk.Gate)
        {
            // No name: a temporary file, which nobody misses after a crash.
            var known = name == null ? new DiskFile("", [], hasName: false) : disk.OnOpen(Marshal.PtrToStringUTF8((nint)name)!);
            var result = s_real->Open(s_real, name, file, flags, outFlags);
            if (result != Ok) return result;

            disk.OpenFiles++;
            var extra = ExtraOf(file);
            extra->Real = file->Methods;
            extra->Opened = GCHandle.ToIntPtr(GCHandle.Alloc(new OpenFile(disk, known)
            {
                // The real VFS syncs the folder together with a journal that it may have made.
                SyncsFolder = (flags & OpenCreate) != 0 && (flags & OpenJournals) != 0,
            }));
            file->Methods = MethodsFor(file->Methods);
            return Ok;
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Delete(Vfs* vfs, byte* name, int syncFolder)
    {
        var disk = (FaultyDisk)GCHandle.FromIntPtr((nint)vfs->AppData).Target!;
        lock (disk.Gate)
        {
            var result = s_real->Delete(s_real, name, 0);
            if (result == Ok) disk.OnDelete(Marshal.PtrToStringUTF8((nint)name)!, syncFolder != 0);
            return result;
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Close(SqliteFile* file)
    {
        var extra = *ExtraOf(file);
        var handle = GCHandle.FromIntPtr(extra.Opened);
        var disk = ((OpenFile)handle.Target!).Disk;
        handle.Free();
        lock (disk.Gate) disk.OpenFiles--;
        return extra.Real->Close(file);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Write(SqliteFile* file, byte* bytes, int count, long offset)
    {
        var (disk, known) = Opened(file);
        disk.Announce(isSync: false);
        lock (disk.Gate)
        {
            var (done, result) = disk.OnWrite(known, count);
            if (done == 0) return result;
            var real = ExtraOf(file)->Real->Write(file, bytes, done, offset);
            if (real != Ok) return real;
            known.Write(offset, new ReadOnlySpan<byte>(bytes, done));
            return result;
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Truncate(SqliteFile* file, long length)
    {
        var (disk, known) = Opened(file);
        disk.Announce(isSync: false);
        lock (disk.Gate)
        {
            var result = ExtraOf(file)->Real->Truncate(file, length);
            if (result == Ok) known.Truncate(length);
            return result;
        }
    }

    /// <summary>The real disk is not asked to sync: nothing depends on it, and the tests are quicker.</summary>
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Sync(SqliteFile* file, int flags)
    {
        var opened = Opened(file);
        opened.Disk.Announce(isSync: true);
        lock (opened.Disk.Gate)
        {
            var result = opened.Disk.OnSync(opened.File, opened.SyncsFolder);
            if (result == Ok) opened.SyncsFolder = false;
            return result;
        }
    }

    /// <summary>The real VFS has a table for each way of locking.</summary>
    private static Methods* MethodsFor(Methods* real)
    {
        lock (s_methods)
        {
            if (s_methods.TryGetValue((nint)real, out var known)) return (Methods*)known;
            var methods = (Methods*)NativeMemory.Alloc((nuint)sizeof(Methods));
            *methods = *real;
            methods->Close = &Close;
            methods->Write = &Write;
            methods->Truncate = &Truncate;
            methods->Sync = &Sync;
            s_methods.Add((nint)real, (nint)methods);
            return methods;
        }
    }

    private static Extra* ExtraOf(SqliteFile* file) => (Extra*)((byte*)file + ExtraOffset);

    private static OpenFile Opened(SqliteFile* file) => (OpenFile)GCHandle.FromIntPtr(ExtraOf(file)->Opened).Target!;

    [LibraryImport("e_sqlite3", EntryPoint = "sqlite3_vfs_find")]
    private static partial Vfs* Find(byte* name);

    [LibraryImport("e_sqlite3", EntryPoint = "sqlite3_vfs_register")]
    private static partial int Register(Vfs* vfs, int makeDefault);

    [LibraryImport("e_sqlite3", EntryPoint = "sqlite3_vfs_unregister")]
    private static partial int Unregister(Vfs* vfs);

    private sealed record OpenFile(FaultyDisk Disk, DiskFile File)
    {
        public bool SyncsFolder { get; set; }
    }

#pragma warning disable CS0649 // SQLite fills these structures in.
    /// <summary>sqlite3_file.</summary>
    private struct SqliteFile
    {
        public Methods* Methods;
    }

    /// <summary>What we keep behind the real VFS's part of a file.</summary>
    private struct Extra
    {
        public Methods* Real;
        public nint Opened;
    }

    /// <summary>sqlite3_io_methods, version 3.</summary>
    private struct Methods
    {
        public int Version;
        public delegate* unmanaged[Cdecl]<SqliteFile*, int> Close;
        public nint Read;
        public delegate* unmanaged[Cdecl]<SqliteFile*, byte*, int, long, int> Write;
        public delegate* unmanaged[Cdecl]<SqliteFile*, long, int> Truncate;
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
        public delegate* unmanaged[Cdecl]<Vfs*, byte*, int, int> Delete;
        public fixed long Others[14];
    }
#pragma warning restore CS0649
}
