using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Matrix.ToDevice.Bench;

/// <summary>
/// Senders that keep one connection each and send one request after the other, as cheaply as possible: the processor is
/// shared with the server.
/// </summary>
internal static class HttpLoad
{
    private const string NumberFormat = "D10";

    public static async Task<Figures> RunAsync(ServerProcess server, Body body, int senders, int requests, int firstNumber)
    {
        var each = Math.Max(1, requests / senders);
        var latencies = new long[each * senders];
        var connections = await Task.WhenAll(Enumerable.Range(0, senders).Select(_ => ConnectAsync(server.Address)));
        var allocated = await server.AllocatedAsync();
        var cpu = server.Cpu;
        var start = Stopwatch.GetTimestamp();
        await Task.WhenAll(connections.Select((connection, i) => Task.Run(() =>
            SendAsync(connection, body, firstNumber + i * each, latencies.AsMemory(i * each, each)))));
        var elapsed = Stopwatch.GetElapsedTime(start);
        var cpuUsed = server.Cpu - cpu;
        var allocatedBytes = await server.AllocatedAsync() - allocated;
        foreach (var connection in connections) connection.Dispose();
        return Figures.Of(latencies, elapsed) with
        {
            CpuMicroseconds = cpuUsed.TotalMicroseconds / latencies.Length,
            AllocatedBytes = (double)allocatedBytes / latencies.Length,
        };
    }

    private static async Task<Socket> ConnectAsync(Uri address)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(address.Host, address.Port);
        return socket;
    }

    private static async Task SendAsync(Socket socket, Body body, int firstNumber, Memory<long> latencies)
    {
        var json = body.Json(firstNumber % Body.Recipients);
        var head = $"PUT /_matrix/client/v3/sendToDevice/m.room.encrypted/{0.ToString(NumberFormat, CultureInfo.InvariantCulture)} HTTP/1.1\r\n"
            + $"Host: x\r\nAuthorization: Bearer token\r\nContent-Type: application/json\r\nContent-Length: {json.Length}\r\n\r\n";
        byte[] request = [.. Encoding.ASCII.GetBytes(head), .. json];
        var number = head.IndexOf(" HTTP", StringComparison.Ordinal) - 10;
        var response = new byte[1024];
        for (var i = 0; i < latencies.Length; i++)
        {
            (firstNumber + i).TryFormat(request.AsSpan(number), out _, NumberFormat, CultureInfo.InvariantCulture);
            var start = Stopwatch.GetTimestamp();
            await socket.SendAsync(request);
            await ReadAnswerAsync(socket, response);
            latencies.Span[i] = Stopwatch.GetElapsedTime(start).Ticks;
        }
    }

    private static async ValueTask ReadAnswerAsync(Socket socket, byte[] response)
    {
        // Every answer ends with the two bytes of the empty object.
        var length = 0;
        do
        {
            var received = await socket.ReceiveAsync(response.AsMemory(length));
            if (received == 0) throw new IOException("The server closed the connection.");
            length += received;
        }
        while (!response.AsSpan(0, length).EndsWith("{}"u8));

        if (!response.AsSpan(0, length).StartsWith("HTTP/1.1 200"u8))
            throw new IOException(Encoding.ASCII.GetString(response, 0, length));
    }
}
