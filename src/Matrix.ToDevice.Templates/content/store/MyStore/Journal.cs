using System.Text.Json;

namespace MyStore;

/// <summary>A file with a line for each change. A change is there when its line is on the disk, with the line break.</summary>
internal sealed class Journal : IDisposable
{
    private readonly FileStream _file;
    private bool _isBroken;

    /// <summary>Opens the file, which nobody else can open meanwhile, and hands on what is in it.</summary>
    public Journal(string path, Action<Change> apply)
    {
        var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None };
        // The messages of others: for nobody else on this machine.
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        _file = new FileStream(path, options);
        try
        {
            var bytes = new byte[_file.Length];
            _file.ReadExactly(bytes);
            var end = 0;
            for (int length; (length = bytes.AsSpan(end).IndexOf((byte)'\n')) >= 0; end += length + 1)
            {
                try
                {
                    apply(JsonSerializer.Deserialize<Change>(bytes.AsSpan(end, length))!);
                }
                catch (JsonException) when (end + length + 1 == bytes.Length && bytes.AsSpan(end, length).Contains((byte)0))
                {
                    // A disk may write the end of a line before its middle, which is zeros then. Anything else was written so: nobody deletes it.
                    break;
                }
            }

            // What a crash has left of the last line was never answered.
            _file.SetLength(end);
            _file.Position = end;
            // What a killed process had only handed to the operating system is shown from now on: it must not go with the power.
            _file.Flush(flushToDisk: true);
        }
        catch
        {
            _file.Dispose();
            throw;
        }
    }

    /// <summary>Returns when the change is on the disk.</summary>
    public void Write(Change change)
    {
        if (_isBroken) throw new IOException("The journal could not be written before. What is in it is known when it is opened again.");

        // Until it is written, nobody knows how much of it there is.
        _isBroken = true;
        _file.Write([.. JsonSerializer.SerializeToUtf8Bytes(change), (byte)'\n']);
        _file.Flush(flushToDisk: true);
        _isBroken = false;
    }

    public void Dispose() => _file.Dispose();
}
