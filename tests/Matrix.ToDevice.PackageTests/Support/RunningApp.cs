using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace Matrix.ToDevice.Tests;

/// <summary>An application's process, and its clients. Its end is a kill: it gets no chance to write down anything.</summary>
internal sealed class RunningApp : IAsyncDisposable
{
    private readonly Process _process;
    private readonly HttpClient _http;

    private RunningApp(Process process, string address) => (_process, _http) = (process, new HttpClient { BaseAddress = new Uri(address) });

    public static async Task<RunningApp> StartAsync(App app, string data, string store, string connectionString = "")
    {
        string[] arguments = [.. app.Command.Skip(1), "--urls", "http://127.0.0.1:0", "--Store", store, "--Connection", connectionString];
        var process = Process.Start(CommandLine.Of(data, app.Command[0], arguments))!;
        try
        {
            using var over = new CancellationTokenSource(TimeLimit.OfOneWait);
            const string Listening = "Now listening on: ";
            var said = new StringBuilder();
            while (await process.StandardOutput.ReadLineAsync(over.Token) is { } line)
            {
                said.AppendLine(line);
                if (line.IndexOf(Listening, StringComparison.Ordinal) is >= 0 and var at)
                {
                    _ = process.StandardOutput.ReadToEndAsync(default);
                    _ = process.StandardError.ReadToEndAsync(default);
                    return new RunningApp(process, line[(at + Listening.Length)..]);
                }
            }

            throw new InvalidOperationException($"{said}{await process.StandardError.ReadToEndAsync(over.Token)}");
        }
        catch
        {
            process.Kill(entireProcessTree: true);
            process.Dispose();
            throw;
        }
    }

    public async Task<HttpStatusCode> SendToBobAsync(string txnId, string content, string token = "alice's")
    {
        using var request = Request(HttpMethod.Put, $"/_matrix/client/v3/sendToDevice/m.test/{txnId}", token);
        request.Content = new StringContent($$"""{"messages":{"@bob:hs1":{"*":{{content}} } } }""", Encoding.UTF8, "application/json");
        using var response = await _http.SendAsync(request);
        return response.StatusCode;
    }

    public async Task<(string[] Contents, string NextBatch)> SyncBobAsync(string? since = null, string path = "/_matrix/client/v3/sync")
    {
        using var request = Request(HttpMethod.Get, $"{path}?timeout=0{(since is null ? "" : $"&since={since}")}", "bob's");
        using var response = await _http.SendAsync(request);
        using var json = JsonDocument.Parse(await response.EnsureSuccessStatusCode().Content.ReadAsStringAsync());
        var contents = json.RootElement.TryGetProperty("to_device", out var toDevice)
            ? toDevice.GetProperty("events").EnumerateArray().Select(one => one.GetProperty("content").GetRawText()).ToArray() : [];
        return (contents, json.RootElement.GetProperty("next_batch").GetString()!);
    }

    public async Task LogoutBobAsync()
    {
        using var request = Request(HttpMethod.Post, "/logout", "bob's");
        using var response = await _http.SendAsync(request);
        response.EnsureSuccessStatusCode();
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private static HttpRequestMessage Request(HttpMethod method, string path, string token) =>
        new(method, path) { Headers = { Authorization = new AuthenticationHeaderValue("Bearer", token) } };
}
