using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Options;

namespace Matrix.ToDevice.Bench;

/// <summary>The server under test, a process of its own: the module on a store, or the bare endpoint it is compared with.</summary>
internal static class BenchServer
{
    /// <param name="kind"><c>bare</c>, <c>memory</c>, <c>sqlite</c> or <c>postgresql</c>.</param>
    /// <param name="place">A folder, or the connection string of the database.</param>
    public static async Task RunAsync(string kind, string place)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        if (kind != "bare")
        {
            var toDevice = builder.Services.AddSendToDevice().UseAuth(WhoAsync).UseDirectory<Directory>();
            if (kind == "memory") toDevice.UseInMemory(options => options.CapacityBytes = long.MaxValue);
            else if (kind == "sqlite") toDevice.UseSqlite($"Data Source={Path.Combine(place, "bench.db")}");
            else toDevice.UsePostgreSql(place);
        }

        await using var app = builder.Build();
        using var listener = CountWaiting();
        if (kind == "bare")
        {
            app.MapPut("/_matrix/client/v3/sendToDevice/m.dummy/{txnId}", WakeAsync);
            app.MapPut("/_matrix/client/v3/sendToDevice/{eventType}/{txnId}", ReadAndAnswerAsync);
            app.MapGet("/_matrix/client/v3/sync", AnswerAsync);
        }
        else
        {
            app.MapSendToDevice();
            app.MapToDeviceSync();
        }

        app.MapPost("/drain", () => kind == "bare" ? Task.CompletedTask : DrainAsync(app.Services.GetRequiredService<ToDeviceSync>()));
        app.MapGet("/memory", Memory);
        app.MapGet("/waiting", () => (kind == "bare" ? s_waiting.Count : Volatile.Read(ref s_waitingSyncs)).ToString(CultureInfo.InvariantCulture));
        app.MapGet("/allocated", () => GC.GetTotalAllocatedBytes().ToString(CultureInfo.InvariantCulture));
        await app.StartAsync();
        Console.WriteLine(app.Urls.Single());
        await app.WaitForShutdownAsync();
    }

    private const int MostUsers = 20_000;

    // Who waits at the bare endpoint.
    private static readonly ConcurrentDictionary<int, TaskCompletionSource> s_waiting = new();
    private static long s_waitingSyncs;

    private static readonly AuthResult[] s_requesters =
        [.. Enumerable.Range(0, MostUsers).Select(i => AuthResult.Success(Body.UserId(i), Body.DeviceId))];

    private static readonly byte[] s_answer = "{}"u8.ToArray();
    private static readonly byte[] s_empty = Encoding.ASCII.GetBytes($$"""{"next_batch":"{{new string('t', 33)}}"}""");
    private static readonly byte[] s_page = Encoding.ASCII.GetBytes(
        $$$"""
        {"next_batch":"{{{new string('t', 33)}}}","to_device":{"events":[{{{string.Join(',', Enumerable.Repeat(
            $$"""{"sender":"@user1:example.org","type":"m.room.encrypted","content":{{Encoding.ASCII.GetString(Body.All[0].Content)}}}""", 100))}}}]}}
        """);

    /// <summary>The access token is the number of a user.</summary>
    private static ValueTask<AuthResult> WhoAsync(HttpContext context, CancellationToken cancellationToken) =>
        new(s_requesters[int.Parse(MatrixAccessToken.Read(context)!, CultureInfo.InvariantCulture)]);

    /// <summary>What a sync answers, from memory: the page in chunks, as the module writes it.</summary>
    private static async Task AnswerAsync(HttpContext context)
    {
        if (context.Request.Query.TryGetValue("timeout", out var timeout) && timeout != "0") await WaitAsync(context);
        var isPage = !context.Request.Query.ContainsKey("since");
        context.Response.ContentType = "application/json";
        if (isPage) await context.Response.StartAsync();
        else context.Response.ContentLength = s_empty.Length;
        await context.Response.BodyWriter.WriteAsync(isPage ? s_page : s_empty);
    }

    private static async Task WaitAsync(HttpContext context)
    {
        var user = int.Parse(MatrixAccessToken.Read(context)!, CultureInfo.InvariantCulture);
        var waiting = s_waiting[user] = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await waiting.Task;
    }

    private static MeterListener CountWaiting()
    {
        var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listening) =>
            {
                if (instrument.Name == "matrix.to_device.waiting_syncs") listening.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<long>((_, change, _, _) => Interlocked.Add(ref s_waitingSyncs, change));
        listener.Start();
        return listener;
    }

    /// <summary>Answers whoever waits of those that a send names.</summary>
    private static async Task WakeAsync(string txnId, HttpContext context)
    {
        using var body = await JsonDocument.ParseAsync(context.Request.Body);
        foreach (var named in body.RootElement.GetProperty("messages").EnumerateObject())
        {
            var user = int.Parse(named.Name.AsSpan(5, named.Name.IndexOf(':', StringComparison.Ordinal) - 5), CultureInfo.InvariantCulture);
            if (s_waiting.TryRemove(user, out var waiting)) waiting.SetResult();
        }

        await context.Response.WriteAsync("{}");
    }

    /// <summary>The managed heap after a collection, and what the process has of the machine's memory then.</summary>
    private static string Memory()
    {
        for (var n = 0; n < 2; n++)
        {
            GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }

        return string.Create(CultureInfo.InvariantCulture, $"{GC.GetTotalMemory(false)} {Environment.WorkingSet}");
    }

    private static async Task ReadAndAnswerAsync(string eventType, string txnId, HttpContext context)
    {
        while (true)
        {
            var read = await context.Request.BodyReader.ReadAsync();
            context.Request.BodyReader.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted) break;
        }

        context.Response.ContentType = "application/json";
        context.Response.ContentLength = s_answer.Length;
        await context.Response.BodyWriter.WriteAsync(s_answer);
    }

    /// <summary>Every device takes its messages.</summary>
    private static async Task DrainAsync(ToDeviceSync toDevice)
    {
        for (var i = 0; i < Body.Recipients; i++)
        {
            var device = new DeviceAddress(Body.UserId(i), Body.DeviceId);
            for (string? since = null, last = null; since is null || since != last;)
            {
                last = since;
                using var batch = await toDevice.NextAsync(device, since, 1000, TimeSpan.Zero, default);
                since = batch.NextBatch;
            }
        }
    }

    /// <summary>Everybody exists and has one device; no time is lost looking it up.</summary>
    private sealed class Directory : IDeviceDirectory
    {
        private static readonly UserDevices s_devices = UserDevices.Local(new HashSet<string> { Body.DeviceId });

        public ValueTask<IReadOnlyList<UserDevices>> FindAsync(IReadOnlyList<string> userIds, CancellationToken cancellationToken)
        {
            var devices = new UserDevices[userIds.Count];
            Array.Fill(devices, s_devices);
            return ValueTask.FromResult<IReadOnlyList<UserDevices>>(devices);
        }
    }
}
