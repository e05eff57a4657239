// A server without a /sync of its own, of packages that can be trimmed and compiled ahead of time.
using Matrix.ToDevice;

var builder = WebApplication.CreateSlimBuilder(args);
var connectionString = builder.Configuration["Connection"] ?? "";
builder.Services.AddSingleton<MyUsers>();
builder.Services.AddSendToDevice(builder.Configuration.GetSection("ToDevice"));
// Matrix.ToDevice block 1
switch (builder.Configuration["Store"])
{
    case "Matrix.ToDevice.Sqlite":
        // Matrix.ToDevice.Sqlite block 1
        break;
    case "Matrix.ToDevice.PostgreSql":
        // Matrix.ToDevice.PostgreSql block 1
        break;
}

var app = builder.Build();
// Matrix.ToDevice block 2
app.MapToDeviceSync();
app.Run();

// Matrix.ToDevice block 3
