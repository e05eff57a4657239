namespace Matrix.ToDevice.Tool;

/// <summary>
/// A file that is read as it stands, without a lock: what was read is of one moment only if no server has come to it meanwhile.
/// </summary>
internal sealed class Undisturbed(string path)
{
    private readonly (long, DateTime) _before = Look(path);

    /// <summary>Looks once more, when all has been read.</summary>
    /// <exception cref="ToolException">A server has come to it, and may be gone again.</exception>
    public void Require()
    {
        // A server writes to its log first; when it stops, it has copied that into the file.
        if (StoreLock.IsHeld(path) != true && !SqliteOpening.HasLog(path) && Look(path) == _before) return;
        throw ToolException.Unusable($"A server has opened {path} while it was read, and what was read may be wrong. Try again.");
    }

    private static (long, DateTime) Look(string path)
    {
        var file = new FileInfo(path);
        return file.Exists ? (file.Length, file.LastWriteTimeUtc) : default;
    }
}
