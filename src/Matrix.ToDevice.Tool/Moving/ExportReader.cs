using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using static Matrix.ToDevice.Tool.ExportFormat;

namespace Matrix.ToDevice.Tool;

/// <summary>Reads an export. It is read to its end once before anything of it is used: what was cut off or altered is refused as a whole.</summary>
internal sealed class ExportReader(string path)
{
    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Looks at all of it; the result is what it holds.</summary>
    /// <exception cref="ToolException">It is no whole export.</exception>
    public async Task<MoveCounts> CheckAsync(IProgress<long> progress, CancellationToken cancellationToken)
    {
        var nothing = new Counted(new Nowhere());
        await SendAsync(nothing, progress, cancellationToken);
        return nothing.Counts;
    }

    /// <summary>Gives all entries to a target, and completes it if the end is as it has to be.</summary>
    public async Task SendAsync(IMoveTarget target, IProgress<long> progress, CancellationToken cancellationToken)
    {
        using var file = Open();
        using var source = new Source(file);
        try
        {
            await SendAsync(source, target, progress, cancellationToken);
        }
        catch (Exception exception) when (exception is EndOfStreamException or InvalidDataException or DecoderFallbackException or ArgumentOutOfRangeException or OverflowException)
        {
            throw ToolException.Unusable($"{path} is damaged or was cut off: nothing of it was used. Make the export again, or copy the file again.", exception);
        }

        await target.CompleteAsync(cancellationToken);
    }

    private FileStream Open()
    {
        try
        {
            return new FileStream(path, new FileStreamOptions { BufferSize = 1 << 16, Options = FileOptions.SequentialScan });
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw ToolException.Unusable($"{path} cannot be read. Name the file of an export.", exception);
        }
    }

    private async Task SendAsync(Source source, IMoveTarget target, IProgress<long> progress, CancellationToken cancellationToken)
    {
        CheckFirstLine(source);
        var counts = new long[5];
        StoredDevice? inbox = null;
        (RecordOwner, StoredName?, StoredName?)? recordsOf = null;
        string? outboxOf = null;
        for (var stage = 0; ;)
        {
            var entry = source.Byte();
            if (entry == End) break;
            var (next, index) = entry switch
            {
                Device => (0, 0),
                Inbox => (1, -1),
                Message => (1, 1),
                RecordsOf => (2, -1),
                Record => (2, 2),
                Destination => (3, 3),
                OutboxOf => (4, -1),
                Edu => (4, 4),
                _ => throw new InvalidDataException(),
            };
            // Targets rely on the order.
            if (next < stage) throw new InvalidDataException();
            stage = next;
            if (index >= 0 && ++counts[index] % 4096 == 0) progress.Report(source.Position);
            switch (entry)
            {
                case Device:
                    await target.AddAsync(new DeviceEntry(source.Device(), source.Number(0), source.Number(0)), cancellationToken);
                    break;
                case Inbox:
                    inbox = source.Device();
                    break;
                case Message:
                    await target.AddAsync(
                        new MessageEntry(
                            inbox ?? throw new InvalidDataException(), source.Number(1), source.Number(), source.Text(), source.Text(), source.Bytes(),
                            source.TimeOrNone()),
                        cancellationToken);
                    break;
                case RecordsOf:
                    var owner = (RecordOwner)source.Byte();
                    recordsOf = (owner, source.Name(), source.Name());
                    if (!Enum.IsDefined(owner) || (owner == RecordOwner.Device && recordsOf is not (_, not null, not null))) throw new InvalidDataException();
                    break;
                case Record:
                    var of = recordsOf ?? throw new InvalidDataException();
                    await target.AddAsync(new RecordEntry(of.Item1, of.Item2, of.Item3, source.Bytes(KeyBytes), source.Time()), cancellationToken);
                    break;
                case Destination:
                    await target.AddAsync(
                        new DestinationEntry(source.Text(), source.Number(0), checked((int)source.Number(0)), source.Time(least: 0)), cancellationToken);
                    break;
                case OutboxOf:
                    outboxOf = source.Text();
                    break;
                default:
                    await target.AddAsync(
                        new EduEntry(
                            outboxOf ?? throw new InvalidDataException(), source.Number(1), source.Text(), source.Bytes(), source.Time()),
                        cancellationToken);
                    break;
            }
        }

        foreach (var count in counts)
            if (source.Number() != count) throw new InvalidDataException();
        source.End();
    }

    private void CheckFirstLine(Source source)
    {
        var line = Encoding.ASCII.GetBytes(FirstLine);
        byte[] found;
        try
        {
            found = source.Bytes(line.Length);
        }
        catch (EndOfStreamException exception)
        {
            throw ToolException.Unusable($"{path} is no export of matrix-to-device. Name one.", exception);
        }

        if (found.AsSpan().SequenceEqual(line)) return;
        throw ToolException.Unusable(found.AsSpan().StartsWith(Encoding.ASCII.GetBytes(AnyFirstLine))
            ? $"{path} is an export of another format than this version knows. Use the version that made it."
            : $"{path} is no export of matrix-to-device. Name one.");
    }

    /// <summary>The bytes of the file, as they are read and as they are summed up.</summary>
    private sealed class Source(FileStream file) : IDisposable
    {
        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        private readonly byte[] _number = new byte[sizeof(long)];

        public long Position => file.Position;

        public byte Byte()
        {
            Read(_number.AsSpan(0, 1));
            return _number[0];
        }

        public long Number()
        {
            Read(_number);
            return BinaryPrimitives.ReadInt64LittleEndian(_number);
        }

        /// <summary>One that counts something.</summary>
        public long Number(long least) => Counted(Number(), least);

        /// <summary>Since the beginning of 1970: what is from before, or from the first instant, was never a time.</summary>
        public DateTimeOffset Time(long least = 1) => ExportFormat.Time(Counted(Number(), least));

        public DateTimeOffset? TimeOrNone() => Number() is not NoTime and var time ? ExportFormat.Time(Counted(time, 1)) : null;

        public StoredDevice Device() => new(Name() ?? throw new InvalidDataException(), Name() ?? throw new InvalidDataException());

        public StoredName? Name()
        {
            var isFingerprint = Byte() switch { 0 => false, 1 => true, _ => throw new InvalidDataException() };
            return Length() is { } length ? new StoredName(s_utf8.GetString(Bytes(length)), isFingerprint) : null;
        }

        public string Text() => s_utf8.GetString(Bytes());

        public byte[] Bytes() => Bytes(Length() ?? throw new InvalidDataException());

        public byte[] Bytes(int length)
        {
            // A length that was damaged asks for no more memory than the file has bytes.
            if (length > file.Length - file.Position) throw new EndOfStreamException();
            var bytes = new byte[length];
            Read(bytes);
            return bytes;
        }

        public void End()
        {
            var sum = _hash.GetHashAndReset();
            var found = new byte[sum.Length];
            file.ReadExactly(found);
            if (!found.AsSpan().SequenceEqual(sum) || file.ReadByte() >= 0) throw new InvalidDataException();
        }

        public void Dispose() => _hash.Dispose();

        private static long Counted(long number, long least) => number >= least && number <= MaxNumber ? number : throw new InvalidDataException();

        private int? Length()
        {
            Read(_number.AsSpan(0, sizeof(uint)));
            return BinaryPrimitives.ReadUInt32LittleEndian(_number) switch
            {
                NoText => null,
                > MaxBytes => throw new InvalidDataException(),
                var length => (int)length,
            };
        }

        private void Read(Span<byte> bytes)
        {
            file.ReadExactly(bytes);
            _hash.AppendData(bytes);
        }
    }

    private sealed class Nowhere : IMoveTarget
    {
        public ValueTask AddAsync(DeviceEntry device, CancellationToken cancellationToken) => default;

        public ValueTask AddAsync(MessageEntry message, CancellationToken cancellationToken) => default;

        public ValueTask AddAsync(RecordEntry record, CancellationToken cancellationToken) => default;

        public ValueTask AddAsync(DestinationEntry destination, CancellationToken cancellationToken) => default;

        public ValueTask AddAsync(EduEntry edu, CancellationToken cancellationToken) => default;

        public ValueTask CompleteAsync(CancellationToken cancellationToken) => default;

        public ValueTask DisposeAsync() => default;
    }
}
