# Makes this computer a client of an IP-HTTPS server. In an administrator's prompt:
#
#     powershell -ExecutionPolicy Bypass -File .\Join.ps1
#
# It imports the certificate, its key and the authority, adds the tunnel's interface, and shows its state. Leave.ps1 undoes
# all that. Both need no more than the PowerShell 2.0 of Windows 7.

$ErrorActionPreference = 'Stop'
$Uri = @URI@
$ClientName = @NAME@
$Authority = @AUTHORITY@

function Stop-Here([string] $Sentence) {
    Write-Host $Sentence
    exit 1
}

function Add-ToStore($Certificate, [string] $StoreName) {
    $store = New-Object System.Security.Cryptography.X509Certificates.X509Store($StoreName, 'LocalMachine')
    $store.Open('ReadWrite')
    try { $store.Add($Certificate) } finally { $store.Close() }
}

$user = New-Object System.Security.Principal.WindowsPrincipal([System.Security.Principal.WindowsIdentity]::GetCurrent())
if (-not $user.IsInRole([System.Security.Principal.WindowsBuiltInRole]::Administrator)) {
    Stop-Here 'This needs the rights of an administrator: open PowerShell by "Run as administrator", and repeat it.'
}

$shown = (netsh interface httpstunnel show interfaces | Out-String)
$joined = $shown.ToLower().Contains($Uri.ToLower())
if (-not $joined -and $shown -match 'https?://') {
    Write-Host $shown
    Stop-Here 'This computer has a tunnel to another server already, and can have only one: nothing was changed.'
}

$here = Split-Path -Parent $MyInvocation.MyCommand.Path
$passphrase = Read-Host -AsSecureString -Prompt ('The passphrase of ' + $ClientName)
$flags = [System.Security.Cryptography.X509Certificates.X509KeyStorageFlags] 'MachineKeySet, PersistKeySet'
$certificate = New-Object System.Security.Cryptography.X509Certificates.X509Certificate2
try {
    $certificate.Import((Join-Path $here 'client.p12'), $passphrase, $flags)
} catch {
    Stop-Here ('client.p12 cannot be opened; is the passphrase right? ' + $_.Exception.Message)
}

if ($Authority -ne '') {
    $ca = New-Object System.Security.Cryptography.X509Certificates.X509Certificate2((Join-Path $here 'ca.cer'))
    if ($ca.Thumbprint -ne $Authority) {
        Stop-Here 'ca.cer is not the authority that this folder was made with: get the folder again.'
    }
    Add-ToStore $ca 'Root'
}
Add-ToStore $certificate 'My'

if (-not $joined) {
    netsh interface httpstunnel add interface client $Uri enabled
    if ($LASTEXITCODE -ne 0) {
        Stop-Here 'netsh has not added the interface: what it says above is why. Leave.ps1 takes the certificates away again.'
    }
}
Start-Sleep -Seconds 5
netsh interface httpstunnel show interfaces
Write-Host 'Joined. client.p12 is not needed any more: delete it.'
