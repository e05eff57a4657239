using System.Globalization;
using Microsoft.Extensions.Options;

namespace Matrix.ToDevice.Bench;

/// <summary>The server under test, a process of its own: the module on a store, or the bare endpoint it is compared with.</summary>
internal static class BenchServer
{
    public static async Task RunAsync(string kind, string folder)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        if (kind != "bare")
        {
            var toDevice = builder.Services.AddSendToDevice()
                .UseAuth((_, _) => ValueTask.FromResult(s_requester)).UseDirectory<Directory>();
            if (kind == "memory") toDevice.UseInMemory(options => options.CapacityBytes = long.MaxValue);
            else toDevice.UseSqlite($"Data Source={Path.Combine(folder, "bench.db")}");
        }

        await using var app = builder.Build();
        if (kind == "bare") app.MapPut("/_matrix/client/v3/sendToDevice/{eventType}/{txnId}", ReadAndAnswerAsync);
        else app.MapSendToDevice();
        app.MapPost("/drain", () => kind == "bare" ? Task.CompletedTask : DrainAsync(app.Services.GetRequiredService<ToDeviceSync>()));
        app.MapGet("/allocated", () => GC.GetTotalAllocatedBytes().ToString(CultureInfo.InvariantCulture));
        await app.StartAsync();
        Console.WriteLine(app.Urls.Single());
        await app.WaitForShutdownAsync();
    }

    private static readonly AuthResult s_requester = AuthResult.Success("@sender:example.org", "SENDER");
    private static readonly byte[] s_answer = "{}"u8.ToArray();

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
