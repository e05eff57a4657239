namespace Matrix.ToDevice.Tests;

/// <summary>What a <see cref="FaultyDisk"/> knows about one file: what is on it for good, and what is on its way.</summary>
internal sealed class DiskFile(string path, byte[] content, bool hasName)
{
    private readonly MemoryStream _synced = Expandable(content);
    private readonly List<Change> _pending = [];

    public string Path => path;

    /// <summary>Whether the folder has been synced since the file was made; before that, a loss of power can take all of it.</summary>
    public bool HasName { get; set; } = hasName;

    public void Write(long offset, ReadOnlySpan<byte> bytes) => _pending.Add(new Change(offset, bytes.ToArray()));

    public void Truncate(long length) => _pending.Add(new Change(length, null));

    public void Sync()
    {
        foreach (var change in _pending)
            if (!change.TakenForSaved) change.ApplyTo(_synced);
        _pending.Clear();
    }

    public void FailSync(Random random)
    {
        foreach (var change in _pending)
            if (random.Next(2) == 0) change.TakenForSaved = true;
    }

    /// <summary>The synced content.</summary>
    public byte[] Synced() => _synced.ToArray();

    /// <summary>
    /// The synced content, and any of the later changes: none or all or some, in whatever order the disk had chosen, and
    /// a write perhaps only up to some byte.
    /// </summary>
    public byte[] AfterPowerLoss(Random random)
    {
        var image = Expandable(Synced());
        var share = random.Next(5) / 4.0;
        var end = random.Next(2) == 0 ? _pending.Count : random.Next(_pending.Count + 1);
        for (var i = 0; i < end; i++)
        {
            if (random.NextDouble() >= share) continue;
            var change = _pending[i];
            if (change.Bytes is { } bytes && (i == end - 1 || random.Next(16) == 0))
                change = new Change(change.Offset, bytes[..random.Next(bytes.Length + 1)]);
            change.ApplyTo(image);
        }

        return image.ToArray();
    }

    public DiskFile Copy(string copyPath)
    {
        var copy = new DiskFile(copyPath, _synced.ToArray(), HasName);
        copy._pending.AddRange(_pending);
        return copy;
    }

    private static MemoryStream Expandable(byte[] content)
    {
        var stream = new MemoryStream();
        stream.Write(content);
        return stream;
    }

    /// <summary>A write, or with no bytes a truncate.</summary>
    private sealed class Change(long offset, byte[]? bytes)
    {
        public long Offset => offset;
        public byte[]? Bytes => bytes;
        public bool TakenForSaved { get; set; }

        public void ApplyTo(MemoryStream stream)
        {
            if (bytes is null)
            {
                stream.SetLength(Math.Min(stream.Length, offset));
                return;
            }

            stream.Position = offset;
            stream.Write(bytes);
        }
    }
}
