using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using static Matrix.ToDevice.Tool.ExportFormat;

namespace Matrix.ToDevice.Tool;

/// <summary>Writes an export. It has its name when it is complete and on the disk, and is only its owner's to read.</summary>
internal sealed class ExportWriter : IMoveTarget
{
    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly string _path, _part;
    private readonly FileStream _file;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly byte[] _number = new byte[sizeof(long)];
    private readonly long[] _counts = new long[5];
    private StoredDevice? _inbox;
    private (RecordOwner, StoredName?, StoredName?)? _recordsOf;
    private string? _outboxOf;
    private bool _isComplete;

    public ExportWriter(string path)
    {
        (_path, _part) = (path, path + ".part");
        if (File.Exists(path)) throw ToolException.Refused($"{path} exists. Name another file, or remove it.");
        if (File.Exists(_part)) throw ToolException.Refused($"{_part} exists: another export is at it, or was killed. Remove it when none is.");
        try
        {
            // A new one, and no link: what is there already may be somebody else's, or for everybody to read.
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 1 << 16 };
            if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            _file = new FileStream(_part, options);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw ToolException.Unusable($"{_part} cannot be written. Check that its folder exists, and that this user may write to it.", exception);
        }

        Write(Encoding.ASCII.GetBytes(FirstLine));
    }

    public ValueTask AddAsync(DeviceEntry device, CancellationToken cancellationToken)
    {
        Begin(Device, 0);
        Write(device.Device.User);
        Write(device.Device.Device);
        Write(device.LastSequence);
        Write(device.Acknowledged);
        return default;
    }

    public ValueTask AddAsync(MessageEntry message, CancellationToken cancellationToken)
    {
        if (_inbox != message.Device)
        {
            Write([Inbox]);
            Write(message.Device.User);
            Write(message.Device.Device);
            _inbox = message.Device;
        }

        Begin(Message, 1);
        Write(message.Sequence);
        Write(message.SendId);
        Write(message.Sender);
        Write(message.EventType);
        WriteBytes(message.Content);
        Write(Microseconds(message.CommittedAt));
        return default;
    }

    public ValueTask AddAsync(RecordEntry record, CancellationToken cancellationToken)
    {
        if (_recordsOf != (record.Owner, record.User, record.Device))
        {
            Write([RecordsOf, (byte)record.Owner]);
            Write(record.User);
            Write(record.Device);
            _recordsOf = (record.Owner, record.User, record.Device);
        }

        Begin(Record, 2);
        Write(record.Key);
        Write(Microseconds(record.LastUsed));
        return default;
    }

    public ValueTask AddAsync(DestinationEntry destination, CancellationToken cancellationToken)
    {
        Begin(Destination, 3);
        Write(destination.Destination);
        Write(destination.SendingUpTo);
        Write((long)destination.Failures);
        Write(Microseconds(destination.FreeAt));
        return default;
    }

    public ValueTask AddAsync(EduEntry edu, CancellationToken cancellationToken)
    {
        if (_outboxOf != edu.Destination)
        {
            Write([OutboxOf]);
            Write(edu.Destination);
            _outboxOf = edu.Destination;
        }

        Begin(Edu, 4);
        Write(edu.Position);
        Write(edu.MessageId);
        WriteBytes(edu.Content);
        Write(Microseconds(edu.CommittedAt));
        return default;
    }

    public ValueTask CompleteAsync(CancellationToken cancellationToken)
    {
        Write([End]);
        foreach (var count in _counts) Write(count);
        _file.Write(_hash.GetHashAndReset());
        _file.Flush(flushToDisk: true);
        _file.Dispose();
        File.Move(_part, _path);
        _isComplete = true;
        return default;
    }

    public ValueTask DisposeAsync()
    {
        _hash.Dispose();
        _file.Dispose();
        if (!_isComplete) File.Delete(_part);
        return default;
    }

    private void Begin(byte entry, int count)
    {
        _counts[count]++;
        Write([entry]);
    }

    private void Write(StoredName? name)
    {
        if (name is not { } known)
        {
            Write([0]);
            WriteLength(NoText);
            return;
        }

        Write([known.IsFingerprint ? (byte)1 : (byte)0]);
        Write(known.Text);
    }

    private void Write(string text) => WriteBytes(s_utf8.GetBytes(text));

    private void WriteBytes(ReadOnlySpan<byte> bytes)
    {
        WriteLength((uint)bytes.Length);
        Write(bytes);
    }

    private void WriteLength(uint length)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_number, length);
        Write(_number.AsSpan(0, sizeof(uint)));
    }

    private void Write(long number)
    {
        BinaryPrimitives.WriteInt64LittleEndian(_number, number);
        Write(_number);
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        _file.Write(bytes);
        _hash.AppendData(bytes);
    }
}
