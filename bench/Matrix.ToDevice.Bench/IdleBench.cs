using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Matrix.ToDevice.Bench;

/// <summary>
/// Long polls that wait for a message, each on a connection of its own, beside a bare endpoint that waits for a signal: what one takes of
/// memory, what all take of the processor while nothing happens, and how soon they are answered.
/// </summary>
internal static class IdleBench
{
    private const int Wakes = 500;
    private static readonly TimeSpan s_idle = TimeSpan.FromSeconds(30), s_rest = TimeSpan.FromSeconds(20);

    public static async Task RunAsync(int connections)
    {
        Figures.Print("{0:N0} long polls; memory in bytes for each, after a collection; times in milliseconds.\n", connections);
        Figures.Print("| server | managed | resident | CPU in {0} s of idling, ms | one is woken: p50 | p99 | all are: p50 | p99 |", s_idle.TotalSeconds);
        Figures.Print("|---|---|---|---|---|---|---|---|");
        foreach (var kind in (string[])["bare", "memory"]) await RunAsync(kind, connections);
    }

    private static async Task RunAsync(string kind, int connections)
    {
        using var server = new ServerProcess(new HttpTarget(kind));
        using var http = new HttpClient();
        var polls = Enumerable.Range(0, connections).Select(user => new Poll(kind, user, server.Address)).ToList();
        // Everything has been compiled, and the pools have what they keep.
        foreach (var some in polls.Chunk(500)) await Task.WhenAll(some.Select(poll => poll.AnswerOnceAsync()));
        foreach (var poll in polls) poll.Dispose();

        await Task.Delay(s_rest);
        var (managed, resident) = await MemoryAsync();
        foreach (var some in polls.Chunk(100)) await Task.WhenAll(some.Select(poll => poll.BeginAsync()));
        await SettleAsync();
        // What ran for the first time is still being compiled, and what the server keeps for requests that come goes by and by.
        await Task.Delay(s_rest);
        var (managedThen, residentThen) = await MemoryAsync();
        var cpu = server.Cpu;
        await Task.Delay(s_idle);
        cpu = server.Cpu - cpu;

        var one = new List<double>();
        var random = new Random(1);
        for (var n = 0; n < Wakes; n++)
        {
            var poll = polls[random.Next(connections)];
            await SettleAsync();
            var start = Stopwatch.GetTimestamp();
            await WakeAsync([poll.User]);
            one.Add(Stopwatch.GetElapsedTime(start, await poll.Answered).TotalMilliseconds);
            await poll.BeginAsync();
        }

        await SettleAsync();
        var begin = Stopwatch.GetTimestamp();
        await WakeAsync([.. polls.Select(poll => poll.User)]);
        var answered = await Task.WhenAll(polls.Select(poll => poll.Answered));
        var all = answered.Select(at => Stopwatch.GetElapsedTime(begin, at).TotalMilliseconds).ToList();

        Figures.Print(
            "| {0} | {1:N0} | {2:N0} | {3:N0} | {4:F1} | {5:F1} | {6:N0} | {7:N0} |", kind, (managedThen - managed) / connections,
            (residentThen - resident) / connections, cpu.TotalMilliseconds, Quantile(one, 0.5), Quantile(one, 0.99), Quantile(all, 0.5), Quantile(all, 0.99));
        foreach (var poll in polls) poll.Dispose();

        async Task<(long Managed, long Resident)> MemoryAsync()
        {
            var figures = (await http.GetStringAsync(new Uri(server.Address, "/memory"))).Split(' ');
            return (long.Parse(figures[0], CultureInfo.InvariantCulture), long.Parse(figures[1], CultureInfo.InvariantCulture));
        }

        // All of them wait, and not only their requests are there.
        async Task SettleAsync()
        {
            while (int.Parse(await http.GetStringAsync(new Uri(server.Address, "/waiting")), CultureInfo.InvariantCulture) < connections) await Task.Delay(20);
        }

        async Task WakeAsync(IReadOnlyList<int> users)
        {
            using var content = new StringContent(
                $"{{\"messages\":{{{string.Join(',', users.Select(user => $"\"{Body.UserId(user)}\":{{\"{Body.DeviceId}\":{{}}}}"))}}}}}");
            using var request = new HttpRequestMessage(HttpMethod.Put, new Uri(server.Address, $"/_matrix/client/v3/sendToDevice/m.dummy/{Guid.NewGuid():N}"))
            {
                Content = content,
                Headers = { { "Authorization", "Bearer 0" } },
            };
            using var response = await http.SendAsync(request);
            response.EnsureSuccessStatusCode();
        }
    }

    private static double Quantile(List<double> values, double quantile) => values.Order().ElementAt((int)(quantile * (values.Count - 1)));

    /// <summary>One client's connection, and the request on it.</summary>
    private sealed class Poll(string kind, int user, Uri address) : IDisposable
    {
        private readonly byte[] _response = new byte[1024];
        private Socket? _socket;
        private string _since = kind == "bare" ? new string('t', 33) : "";

        public int User => user;

        /// <summary>When the latest request was answered.</summary>
        public Task<long> Answered { get; private set; } = Task.FromResult(0L);

        /// <summary>A request that does not wait.</summary>
        public async Task AnswerOnceAsync()
        {
            await SendAsync(timeout: 0);
            await ReadAsync();
        }

        /// <summary>A request that waits until there is a message.</summary>
        public async Task BeginAsync()
        {
            await SendAsync(timeout: 300_000);
            Answered = ReadAsync();
        }

        public void Dispose()
        {
            _socket?.Dispose();
            _socket = null;
        }

        private async Task SendAsync(int timeout)
        {
            if (_socket is null)
            {
                _socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                await _socket.ConnectAsync(address.Host, address.Port);
            }

            await _socket.SendAsync(Encoding.ASCII.GetBytes(
                $"GET /_matrix/client/v3/sync?timeout={timeout}&since={_since} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {user}\r\n\r\n"));
        }

        private async Task<long> ReadAsync()
        {
            var length = 0;
            string text;
            do
            {
                var received = await _socket!.ReceiveAsync(_response.AsMemory(length));
                if (received == 0) throw new IOException("The server closed the connection.");
                length += received;
                text = Encoding.ASCII.GetString(_response, 0, length);
            }
            while (!text.EndsWith("\"}", StringComparison.Ordinal) && !text.EndsWith("\r\n0\r\n\r\n", StringComparison.Ordinal));

            var at = Stopwatch.GetTimestamp();
            if (kind != "bare") _since = text[(text.IndexOf("next_batch", StringComparison.Ordinal) + 13)..].Split('"')[0];
            return at;
        }
    }
}
