using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Matrix.ToDevice.Tests;

/// <summary>
/// Stands between a host and the server as a coordinator does, before machines that may hang: statements for their buckets go on when they no
/// longer hang, whether somebody still waits for the answer or not.
/// </summary>
internal sealed class DistributedProxy : IDisposable
{
    private const byte Bind = (byte)'B';
    private const int AsksForEncryption = 80877103, AsksForGssEncryption = 80877104;

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly int _serverPort;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentBag<TcpClient> _connections = [];
    private volatile Predicate<int> _hangs = _ => false;
    private volatile TaskCompletionSource _back = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _held;

    public DistributedProxy(int serverPort)
    {
        _serverPort = serverPort;
        _listener.Start();
        _ = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>How many statements have been kept from their machines so far.</summary>
    public int Held => Volatile.Read(ref _held);

    /// <summary>The machines of these buckets take statements, and answer none.</summary>
    public void Hang(Predicate<int> buckets) => _hangs = buckets;

    /// <summary>They go on with what they were asked meanwhile.</summary>
    public void GoOn()
    {
        _hangs = _ => false;
        Interlocked.Exchange(ref _back, new(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult();
    }

    public void Dispose()
    {
        _stop.Cancel();
        _listener.Stop();
        foreach (var connection in _connections) connection.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (await TryAsync(() => _listener.AcceptTcpClientAsync(_stop.Token).AsTask()) is { } client)
        {
            var server = new TcpClient { NoDelay = true };
            client.NoDelay = true;
            await server.ConnectAsync(IPAddress.Loopback, _serverPort);
            _connections.Add(client);
            _connections.Add(server);
            _ = TryAsync(() => AskAsync(client.GetStream(), server));
            _ = TryAsync(() => AnswerAsync(server.GetStream(), client));
        }
    }

    private async Task<bool> AskAsync(NetworkStream client, TcpClient server)
    {
        // The first message of a connection has no type, nor have those that ask whether it is to be encrypted.
        for (var head = 4; ;)
        {
            var message = new byte[head];
            if (await client.ReadAtLeastAsync(message, head, throwOnEndOfStream: false, _stop.Token) < head) break;
            var length = BinaryPrimitives.ReadInt32BigEndian(message.AsSpan(head - 4)) - 4;
            Array.Resize(ref message, head + length);
            await client.ReadExactlyAsync(message.AsMemory(head), _stop.Token);
            if (head == 4) head = BinaryPrimitives.ReadInt32BigEndian(message.AsSpan(4)) is AsksForEncryption or AsksForGssEncryption ? 4 : 5;
            else if (message[0] == Bind && BucketOf(message) is { } bucket && _hangs(bucket))
            {
                var back = _back.Task;
                Interlocked.Increment(ref _held);
                await back.WaitAsync(_stop.Token);
            }

            await server.GetStream().WriteAsync(message, _stop.Token);
        }

        server.Client.Shutdown(SocketShutdown.Send);
        return true;
    }

    private async Task<bool> AnswerAsync(NetworkStream server, TcpClient client)
    {
        var buffer = new byte[65_536];
        while (await server.ReadAsync(buffer, _stop.Token) is var length and > 0) await client.GetStream().WriteAsync(buffer.AsMemory(0, length), _stop.Token);
        client.Dispose();
        return true;
    }

    /// <summary>The first parameter of a statement, which names its bucket; null of one that has none.</summary>
    private static int? BucketOf(ReadOnlySpan<byte> bind)
    {
        var rest = bind[5..];
        rest = rest[(rest.IndexOf((byte)0) + 1)..];
        rest = rest[(rest.IndexOf((byte)0) + 1)..];
        rest = rest[(2 + (2 * BinaryPrimitives.ReadInt16BigEndian(rest)))..];
        return BinaryPrimitives.ReadInt16BigEndian(rest) > 0 && BinaryPrimitives.ReadInt32BigEndian(rest[2..]) == 4
            ? BinaryPrimitives.ReadInt32BigEndian(rest[6..]) : null;
    }

    private static async Task<T?> TryAsync<T>(Func<Task<T>> work)
    {
        try
        {
            return await work();
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException or SocketException or ObjectDisposedException)
        {
            // One side has gone.
            return default;
        }
    }
}
