// A homeserver with users and a /sync of its own. Where a line says "PAGE block N", the lines of that page stand.
using Matrix.ToDevice;
using Microsoft.AspNetCore.Mvc;
using Microsoft.EntityFrameworkCore;

var builder = WebApplication.CreateBuilder(args);
var connectionString = builder.Configuration["Connection"] ?? "";
builder.Services.AddSingleton<MyUsers>();
builder.Services.AddControllers();
// Matrix.ToDevice block 1
switch (builder.Configuration["Store"])
{
    case "Matrix.ToDevice.Sqlite":
        // Matrix.ToDevice.Sqlite block 1
        break;
    case "Matrix.ToDevice.PostgreSql":
        // Matrix.ToDevice.PostgreSql block 1
        break;
    case "Matrix.ToDevice.EntityFrameworkCore":
        // Matrix.ToDevice.EntityFrameworkCore block 2
        break;
}

var app = builder.Build();
if (app.Services.GetService<DbContextOptions<HomeserverDb>>() is { } options)
{
    using var database = new HomeserverDb(options);
    database.Database.EnsureCreated();
}

// Matrix.ToDevice block 2
app.MapControllers();
app.MapGet("/sync", SyncAsync);
app.MapPost("/logout", async (MyUsers users, ToDeviceSync toDevice, HttpContext context, CancellationToken cancellationToken) =>
{
    var mine = users.Find(context)!;
    users.Remove(mine);
    var device = mine.Address;
    // Matrix.ToDevice block 5
});
app.Run();

static async Task<object> SyncAsync(
    string? since, [FromQuery(Name = "timeout")] int milliseconds, MyUsers users, ToDeviceSync toDevice, HttpContext context, CancellationToken cancellationToken)
{
    var (device, timeout) = (users.Find(context)!.Address, TimeSpan.FromMilliseconds(milliseconds));
    // Matrix.ToDevice block 4
}

// Matrix.ToDevice block 3

public class SyncController(MyUsers users, ToDeviceSync toDevice) : ControllerBase
{
    [HttpGet("/_matrix/client/v3/sync")]
    public async Task<object> SyncAsync(string? since, [FromQuery(Name = "timeout")] int milliseconds, CancellationToken cancellationToken)
    {
        var (device, timeout) = (users.Find(HttpContext)!.Address, TimeSpan.FromMilliseconds(milliseconds));
        // Matrix.ToDevice block 4
    }
}

// Matrix.ToDevice.EntityFrameworkCore block 1
