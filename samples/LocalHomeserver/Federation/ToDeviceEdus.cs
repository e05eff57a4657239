using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>To-device messages from other servers: the library looks at them, and delivers each once.</summary>
internal sealed class ToDeviceEdus(FederationReceiver receiver) : IEduHandler
{
    // <federation-receiver>
    public string EduType => FederationTransaction.EduType;

    public async ValueTask ReceiveAsync(string origin, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) =>
        await receiver.ReceiveAsync(origin, content, cancellationToken);
    // </federation-receiver>
}
