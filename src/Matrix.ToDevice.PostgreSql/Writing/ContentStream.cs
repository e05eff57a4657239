namespace Matrix.ToDevice;

/// <summary>Contents one behind the other, to be written from where they are.</summary>
internal sealed class ContentStream(List<ReadOnlyMemory<byte>> contents) : Stream
{
    private readonly long _length = contents.Sum(content => (long)content.Length);

    public override bool CanRead => true;
    public override bool CanSeek => true;
    public override bool CanWrite => false;
    public override long Length => _length;

    // It is copied as a whole, and each time from its beginning.
    public override long Position { get => 0; set => throw new NotSupportedException(); }

    public override async Task CopyToAsync(Stream destination, int bufferSize, CancellationToken cancellationToken)
    {
        foreach (var content in contents) await destination.WriteAsync(content, cancellationToken);
    }

    public override void CopyTo(Stream destination, int bufferSize)
    {
        foreach (var content in contents) destination.Write(content.Span);
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush()
    {
    }
}
