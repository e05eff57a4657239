namespace Matrix.ToDevice.Tool;

/// <summary>The lock file that a server holds while it uses a SQLite store.</summary>
internal sealed class StoreLock : IDisposable
{
    private readonly FileStream _file;
    private readonly string? _made;

    private StoreLock(FileStream file, string? made) => (_file, _made) = (file, made);

    /// <summary>Whether a server has the store; null when this user may not find out.</summary>
    public static bool? IsHeld(string path)
    {
        try
        {
            if (!File.Exists(PathOf(path))) return false;
            using var file = new FileStream(PathOf(path), FileMode.Open, FileAccess.ReadWrite, FileShare.None);
            return false;
        }
        catch (FileNotFoundException)
        {
            return false;
        }
        catch (UnauthorizedAccessException)
        {
            return null;
        }
        catch (IOException)
        {
            return true;
        }
    }

    /// <summary>Keeps servers from the store until it is disposed.</summary>
    /// <exception cref="ToolException">A server has it.</exception>
    public static StoreLock Take(string path)
    {
        var lockPath = PathOf(path);
        var isNew = !File.Exists(lockPath);
        try
        {
            return new StoreLock(new FileStream(lockPath, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None), isNew ? lockPath : null);
        }
        catch (UnauthorizedAccessException exception)
        {
            throw ToolException.Unusable($"This user may not lock {path}. Run this as the server's user.", exception);
        }
        catch (IOException exception)
        {
            throw new ToolException(InUse(path), ExitCode.Unusable, exception);
        }
    }

    public static string InUse(string path) => $"A server has {path} open. Stop it, and try again.";

    public void Dispose()
    {
        // Only what was made here, and while it is held: whoever comes later makes one of their own. A server that runs as another user
        // could not open this one.
        if (_made is not null) File.Delete(_made);
        _file.Dispose();
    }

    private static string PathOf(string path) => path + ".lock";
}
