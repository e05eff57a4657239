using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.Json;

namespace Matrix.ToDevice.Tests;

/// <summary>
/// Clients that send to and sync the devices of one user, and that do what a Matrix client does when an answer does not
/// come: the same request again, with the same transaction ID or the same <c>since</c>.
/// </summary>
internal sealed class LoadClients(Func<Uri> sendTo, Func<Uri> syncFrom, History history, Account[] senders, Account[] receivers, int seed)
{
    /// <summary>One send in this many is one that the server has to refuse.</summary>
    private const int BadOneIn = 50;

    private static readonly string s_tooLarge = new('x', 70_000);
    private static readonly TimeSpan s_backOff = TimeSpan.FromMilliseconds(20);

    // A request that the killed server never answers is given up.
    private static readonly HttpClient s_http = new() { Timeout = TimeSpan.FromSeconds(20) };
    private readonly string _userId = receivers[0].UserId;

    /// <summary>How many sends that are accepted and not yet received make the senders wait.</summary>
    public int MaxBacklog { get; init; } = int.MaxValue;

    /// <summary>The number of the first sender, when others have sent before.</summary>
    public int FirstSender { get; init; }

    /// <summary>Sends until it is told to stop, or each sender has sent so many; every send ends with its answer.</summary>
    public Task SendAsync(int atMost, CancellationToken stop) =>
        Task.WhenAll(senders.Select((account, sender) => Task.Run(() => SendAsync(account, FirstSender + sender, atMost, stop), CancellationToken.None)));

    /// <summary>Syncs until it is told to stop, and from then on until every inbox is empty.</summary>
    public Task ReceiveAsync(CancellationToken stop) =>
        Task.WhenAll(receivers.Select(account => Task.Run(() => ReceiveAsync(account, stop), CancellationToken.None)));

    private async Task SendAsync(Account account, int sender, int atMost, CancellationToken stop)
    {
        var random = new Random(seed + sender);
        for (var number = 0; number < atMost && !stop.IsCancellationRequested; number++)
        {
            // What one server accepts faster than another one takes it would be under way for long after the last crash.
            while (history.Backlog(receivers[0].DeviceId) > MaxBacklog) await Task.Delay(s_backOff, CancellationToken.None);

            var all = random.Next(4) == 0;
            var deviceIds = receivers.Select(receiver => receiver.DeviceId).ToArray();
            if (!all) deviceIds = [.. deviceIds.Where((_, i) => i == 0 || random.Next(2) == 0)];
            history.Sending(sender, number, deviceIds);

            // However few there are, one is bad.
            var isBad = random.Next(BadOneIn) == 0 || (sender, number) == (FirstSender, 1);
            var padding = isBad ? s_tooLarge : new string('p', random.Next(600));
            var content = $$"""{"sender":{{sender}},"number":{{number}},"padding":"{{padding}}"}""";
            var devices = all ? $"\"*\":{content}" : string.Join(',', deviceIds.Select(deviceId => $"\"{deviceId}\":{content}"));
            var body = $$"""{"messages":{"{{_userId}}":{ {{devices}} } } }""";

            var (status, _) = await UntilAnsweredAsync(sendTo, account, HttpMethod.Put, $"_matrix/client/v3/sendToDevice/m.test/txn-{number}", body);
            history.Answered(sender, number, status == 200 ? History.Outcome.Accepted : History.Outcome.Refused);
        }
    }

    private async Task ReceiveAsync(Account account, CancellationToken stop)
    {
        string? since = null;
        while (true)
        {
            // Nothing more is sent once it is told to stop: an empty response after that is the end.
            var last = stop.IsCancellationRequested;
            var query = since is null ? "" : $"&since={Uri.EscapeDataString(since)}";
            var (status, body) = await UntilAnsweredAsync(syncFrom, account, HttpMethod.Get, $"_matrix/client/v3/sync?timeout={(last ? 0 : 300)}{query}", null);
            if (status != 200) throw new InvalidOperationException($"The sync of {account.DeviceId} was answered {status} {body}");

            using var json = JsonDocument.Parse(body);
            var messages = new List<History.Message>();
            if (json.RootElement.TryGetProperty("to_device", out var toDevice) && toDevice.TryGetProperty("events", out var events))
            {
                foreach (var message in events.EnumerateArray())
                {
                    var content = message.GetProperty("content");
                    messages.Add(new History.Message(content.GetProperty("sender").GetInt32(), content.GetProperty("number").GetInt32()));
                }
            }

            history.ReceivedBy(account.DeviceId, messages);
            since = json.RootElement.GetProperty("next_batch").GetString();
            if (last && messages.Count == 0) return;
        }
    }

    private async Task<(int Status, string Body)> UntilAnsweredAsync(Func<Uri> at, Account account, HttpMethod method, string path, string? body)
    {
        while (true)
        {
            try
            {
                using var request = new HttpRequestMessage(method, new Uri(at(), path));
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", account.Token);
                if (body is not null) request.Content = new StringContent(body);
                using var response = await s_http.SendAsync(request);
                var text = await response.Content.ReadAsStringAsync();
                if ((int)response.StatusCode < 500) return ((int)response.StatusCode, text);
            }
            catch (Exception exception) when (exception is HttpRequestException or IOException or SocketException or OperationCanceledException)
            {
                // The server is gone; the next attempt meets its successor, or is refused at once and comes here again.
            }

            history.Retrying();
            await Task.Delay(s_backOff);
        }
    }
}

/// <summary>A device with its access token.</summary>
internal sealed record Account(string UserId, string DeviceId, string Token);
