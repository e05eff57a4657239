namespace Matrix.ToDevice.Tool;

/// <summary>Counts what goes through to a target, and stops when somebody has interrupted it.</summary>
internal sealed class Counted(IMoveTarget target) : IMoveTarget
{
    private long _devices, _messages, _records, _destinations, _edus;

    public MoveCounts Counts => new(_devices, _messages, _records, _destinations, _edus);

    public ValueTask AddAsync(DeviceEntry device, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        _devices++;
        return target.AddAsync(device, cancellationToken);
    }

    public ValueTask AddAsync(MessageEntry message, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        _messages++;
        return target.AddAsync(message, cancellationToken);
    }

    public ValueTask AddAsync(RecordEntry record, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        _records++;
        return target.AddAsync(record, cancellationToken);
    }

    public ValueTask AddAsync(DestinationEntry destination, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        _destinations++;
        return target.AddAsync(destination, cancellationToken);
    }

    public ValueTask AddAsync(EduEntry edu, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        _edus++;
        return target.AddAsync(edu, cancellationToken);
    }

    public ValueTask CompleteAsync(CancellationToken cancellationToken) => target.CompleteAsync(cancellationToken);

    public ValueTask DisposeAsync() => target.DisposeAsync();
}
