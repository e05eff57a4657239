namespace Matrix.ToDevice;

/// <summary>The path of a file without symbolic links: neither the file nor a folder on the way is one.</summary>
internal static class RealPath
{
    private const int MaxLinks = 40;

    /// <summary>Where a path leads. What does not exist is no link.</summary>
    /// <exception cref="SqliteStoreException">The links lead in a circle.</exception>
    public static string Of(string path)
    {
        var full = Path.GetFullPath(path);
        var real = Path.GetPathRoot(full)!;
        var rest = new Stack<string>();
        Push(full);
        for (var links = 0; rest.TryPop(out var name);)
        {
            if (name is "" or ".") continue;
            if (name == "..")
            {
                // Of where the link has led, not of where it stands.
                real = Path.GetDirectoryName(real) ?? real;
                continue;
            }

            var next = Path.Combine(real, name);
            if (LinkTarget(next) is not { } target)
            {
                real = next;
                continue;
            }

            if (++links > MaxLinks) throw new SqliteStoreException($"The symbolic links of {full} lead in a circle. Name the file itself.");
            if (Path.IsPathRooted(target)) real = Path.GetPathRoot(Path.GetFullPath(target, real))!;
            Push(target);
        }

        return real;

        void Push(string names)
        {
            foreach (var name in names[Path.GetPathRoot(names)!.Length..].Split(Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar).Reverse())
                rest.Push(name);
        }
    }

    private static string? LinkTarget(string path)
    {
        try
        {
            return Directory.Exists(path) ? new DirectoryInfo(path).LinkTarget : new FileInfo(path).LinkTarget;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Whoever may not look at it cannot open it either, and is told so there.
            return null;
        }
    }
}
