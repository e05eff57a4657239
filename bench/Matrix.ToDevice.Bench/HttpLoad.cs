using System.Diagnostics;
using System.Net.Sockets;
using System.Text;

namespace Matrix.ToDevice.Bench;

/// <summary>
/// Clients that keep one connection each and send one request after the other, as cheaply as possible: the processor is
/// shared with the server.
/// </summary>
internal static class HttpLoad
{
    /// <param name="server">Whose time is measured.</param>
    /// <param name="clients">How many there are.</param>
    /// <param name="requests">How many requests they make together.</param>
    /// <param name="requestsOf">What a client sends.</param>
    public static async Task<Figures> RunAsync(ServerProcess server, int clients, int requests, Func<int, HttpRequests> requestsOf)
    {
        var each = Math.Max(1, requests / clients);
        var latencies = new long[each * clients];
        var connections = await Task.WhenAll(Enumerable.Range(0, clients).Select(_ => ConnectAsync(server.Address)));
        var allocated = await server.AllocatedAsync();
        var (cpu, cpuOfDatabase) = (server.Cpu, server.CpuOfDatabase);
        var start = Stopwatch.GetTimestamp();
        await Task.WhenAll(connections.Select((connection, i) => Task.Run(() =>
            SendAsync(connection, requestsOf(i), latencies.AsMemory(i * each, each)))));
        var elapsed = Stopwatch.GetElapsedTime(start);
        (cpu, cpuOfDatabase) = (server.Cpu - cpu, server.CpuOfDatabase - cpuOfDatabase);
        var allocatedBytes = await server.AllocatedAsync() - allocated;
        foreach (var connection in connections) connection.Dispose();
        return Figures.Of(latencies, elapsed) with
        {
            CpuMicroseconds = cpu.TotalMicroseconds / latencies.Length,
            DatabaseMicroseconds = cpuOfDatabase.TotalMicroseconds / latencies.Length,
            AllocatedBytes = (double)allocatedBytes / latencies.Length,
        };
    }

    /// <summary>One request; the body of its answer.</summary>
    public static async Task<string> SendOneAsync(ServerProcess server, HttpRequests request)
    {
        using var socket = await ConnectAsync(server.Address);
        var response = new byte[1 << 20];
        await socket.SendAsync(request.Next(0));
        return Encoding.UTF8.GetString(response, 0, await ReadAnswerAsync(socket, response, request.End));
    }

    private static async Task<Socket> ConnectAsync(Uri address)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(address.Host, address.Port);
        return socket;
    }

    private static async Task SendAsync(Socket socket, HttpRequests requests, Memory<long> latencies)
    {
        var response = new byte[1 << 17];
        for (var i = 0; i < latencies.Length; i++)
        {
            var request = requests.Next(i);
            var start = Stopwatch.GetTimestamp();
            await socket.SendAsync(request);
            await ReadAnswerAsync(socket, response, requests.End);
            latencies.Span[i] = Stopwatch.GetElapsedTime(start).Ticks;
        }
    }

    private static async ValueTask<int> ReadAnswerAsync(Socket socket, byte[] response, byte[] end)
    {
        var length = 0;
        do
        {
            var received = await socket.ReceiveAsync(response.AsMemory(length));
            if (received == 0) throw new IOException("The server closed the connection.");
            length += received;
        }
        while (!response.AsSpan(0, length).EndsWith(end));

        return response.AsSpan(0, length).StartsWith("HTTP/1.1 200"u8) ? length : throw new IOException(Encoding.ASCII.GetString(response, 0, length));
    }
}
